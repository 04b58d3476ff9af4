import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { printSettings, run } from '../../../src/commands/validate.ts';
import { loadSettings } from '../../../src/config/load.ts';
import { SILENT_LOGGER } from '../../../src/domain/logger.ts';

const CANARY = 'c4n4ry-p4ssw0rd';
const packageRoot = resolve(import.meta.dirname, '../../..');
const folder = mkdtempSync(join(tmpdir(), 'fraudstream-validate-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function contextOf(argv: string[], env: Record<string, string> = {}) {
  const loaded = loadSettings({
    command: 'validate',
    argv,
    env,
    cwd: folder,
    packageRoot,
    nowMs: 0,
    readFile: () => CANARY,
  });
  if (loaded.kind !== 'settings') throw new Error(JSON.stringify(loaded));
  const written = { stdout: '', stderr: '' };
  const context = {
    ...loaded,
    args: [],
    stdout: { write: (text: string) => (written.stdout += text) },
    stderr: { write: (text: string) => (written.stderr += text) },
    log: SILENT_LOGGER,
    clock: { nowMs: () => 0, monotonicMs: () => 0 },
    signal: new AbortController().signal,
    version: '1',
    packageRoot,
  };
  return { context, written };
}

describe('validate', () => {
  it('finds the shipped catalogue and schemas good, and names a model that is missing', async () => {
    const { context, written } = contextOf(['--model-dir', 'gone']);
    expect(await run(context)).toBe(2);
    expect(written.stdout).toMatch(/✓ catalogue: \d+ features/);
    expect(written.stdout).toContain('✓ schemas: transaction, decision, flagged, label');
    expect(written.stderr).toMatch(/^fraudstream validate: model\.dir: .*gone.* \[FS_MODEL_INVALID\]\n$/);
  });

  it('reports every problem of a catalogue with its line, and a PEM file that cannot be read', async () => {
    const file = join(folder, 'features.yaml');
    writeFileSync(
      file,
      'version: 1\nfeatures:\n  - name: a\n    aggregate: cuont\n  - name: b\n    aggregate: count\n    window: 10\n',
    );
    const { context, written } = contextOf([
      '--catalogue-file',
      file,
      '--kafka-ssl',
      '--kafka-ssl-ca-file',
      'gone.pem',
    ]);
    expect(await run(context)).toBe(2);
    const lines = written.stderr.trimEnd().split('\n');
    expect(lines.length).toBeGreaterThanOrEqual(3);
    expect(lines.every((line) => line.startsWith('fraudstream validate: '))).toBe(true);
    expect(written.stderr).toContain('gone.pem cannot be read (ENOENT)');
    expect(written.stderr).toContain('features.yaml:4');
    expect(written.stderr).toContain('features.yaml:7');
  });

  it('prints every setting with its origin, and no secret', () => {
    const { context } = contextOf(['--kafka-sasl-mechanism', 'plain', '--kafka-sasl-username', 'u', '--app-id', 'x'], {
      FRAUDSTREAM_KAFKA_SASL_PASSWORD: CANARY,
      FRAUDSTREAM_REDIS_PASSWORD_FILE: 'file',
      FRAUDSTREAM_REDIS_URL: `redis://u:${CANARY}@h:1/0`,
      FRAUDSTREAM_REGISTRY_URL: `https://u:${CANARY}@r/`,
    });
    const text = printSettings(context);
    expect(text).not.toContain(CANARY);
    expect(text).toContain('app.id: x  # --app-id\n');
    expect(text).toContain('kafka.sasl-password: [secret]  # FRAUDSTREAM_KAFKA_SASL_PASSWORD\n');
    expect(text).toContain('redis.url: redis://u:[secret]@h:1/0  # FRAUDSTREAM_REDIS_URL\n');
    expect(text).toContain('redis.password: [secret]  # FRAUDSTREAM_REDIS_PASSWORD_FILE\n');
    expect(text).toContain('shutdown.deadline: 25s  # default\n');
  });
});
