import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { CommandContext } from '../../../src/commands/command.ts';
import { cardAsMarkdown, cardAsText, modelCard } from '../../../src/commands/model-card.ts';
import { run } from '../../../src/commands/model.ts';
import { parseManifest } from '../../../src/model/manifest.ts';

const FIXTURE = fileURLToPath(new URL('../../fixtures/model', import.meta.url));
const TEXT = readFileSync(`${FIXTURE}/manifest.json`, 'utf8');

function cardOf(change: (root: Record<string, unknown>) => void = () => undefined): string {
  const root = JSON.parse(TEXT) as Record<string, unknown>;
  change(root);
  return cardAsText(modelCard(parseManifest(JSON.stringify(root)), root));
}

describe('the card of a model', () => {
  it('says what was trained, on what, and how good it was', () => {
    const card = cardOf();
    for (const words of [
      /version {2,}fixture-[0-9a-f]{12}\n/,
      /kind {2,}lightgbm\n/,
      /calibration {2,}isotonic, \d+ knots\n/,
      /explanations {2,}tree path, in log odds\n/,
      /payments {2,}40000, \d+ of them fraud \(\d\.\d+ %\)\n/,
      /flag {2,}0\.\d+ {2,}fpr=0\.005\n/,
      /block {2,}0\.\d+ {2,}fpr=0\.001\n/,
      /later days {2,}\d+ {2,}\d+ {2,}0\.\d+ /,
      /unseen users later {2,}block {2,}/,
      /learning_rate {2,}0\.1\n/,
    ]) {
      expect(card).toMatch(words);
    }
  });

  it('does with a manifest of an earlier release, and with one that holds only what is read', () => {
    const shipped = JSON.parse(
      readFileSync(new URL('../../../models/default/manifest.json', import.meta.url), 'utf8'),
    ) as Record<string, unknown>;
    const card = cardAsText(modelCard(parseManifest(JSON.stringify(shipped)), shipped));
    expect(card).toMatch(/flag .* fpr=0\.005\n/);
    const least = cardOf((root) => {
      for (const key of ['kind', 'gain_share', 'parity', 'parameters', 'libraries', 'explanation', 'calibration']) {
        delete root[key];
      }
      root['metrics'] = {};
    });
    expect(least).toContain('none stated');
    expect(least).not.toContain('Metrics');
  });

  it('cannot move the cursor or break a table', () => {
    const change = (root: Record<string, unknown>): void => {
      (root['training_data'] as Record<string, unknown>)['description'] = 'a\u001b[2J|b\nc';
    };
    expect(cardOf(change)).toContain('a\\u001b[2J|b\\u000ac');
    const root = JSON.parse(TEXT) as Record<string, unknown>;
    change(root);
    expect(cardAsMarkdown(modelCard(parseManifest(JSON.stringify(root)), root))).toContain('a\\u001b[2J\\|b\\u000ac');
  });
});

describe('fraudstream model', () => {
  async function model(args: string[], format = 'text', dir = FIXTURE): Promise<[number, string, string]> {
    let stdout = '';
    let stderr = '';
    const code = await run({
      args,
      settings: { 'model.dir': dir, 'model-card.format': format },
      stdout: { write: (text: string) => (stdout += text) },
      stderr: { write: (text: string) => (stderr += text) },
    } as unknown as CommandContext);
    return [code, stdout, stderr];
  }

  it('inspect prints the card in three formats', async () => {
    expect(await model(['inspect'])).toEqual([0, cardOf(), '']);
    const [, markdown] = await model(['inspect'], 'markdown');
    expect(markdown).toMatch(/^# fixture-[0-9a-f]{12}\n\n## Model\n\n\| {2}\| {2}\|\n\| --- \| --- \|\n/);
    const [, json] = await model(['inspect'], 'json');
    expect(JSON.parse(json)).toEqual(JSON.parse(TEXT));
  });

  it('says what it can do', async () => {
    expect(await model([])).toEqual([2, '', 'fraudstream model: say what to do: inspect\n']);
    expect((await model(['inspct']))[2]).toContain('did you mean');
  });

  it('names a folder that is not there', async () => {
    await expect(model(['inspect'], 'text', '/nowhere')).rejects.toMatchObject({ code: 'FS_MODEL_INVALID' });
  });
});
