import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { quote } from '../config/values.ts';
import { FraudstreamError } from '../domain/errors.ts';
import { didYouMean } from '../domain/suggest.ts';
import { parseManifest } from '../model/manifest.ts';
import { MODEL_BYTES_MAX, MODEL_TEXT_BYTES_MAX, readModelFile, readModelText } from '../model/model-files.ts';
import { safeJson } from '../observability/terminal.ts';
import type { CommandContext } from './command.ts';
import { cardAsMarkdown, cardAsText, modelCard } from './model-card.ts';

const ACTIONS = ['inspect'] as const;

/** `fraudstream model inspect`: the model's card, from its manifest. Runs nothing of the model; `validate` does. */
export async function run(context: CommandContext): Promise<number> {
  const { args, settings, stdout, stderr } = context;
  const action = args[0];
  if (action !== 'inspect') {
    const problem = action === undefined ? 'say what to do' : `unknown action ${quote(action)}`;
    const hint = action === undefined ? '' : didYouMean(action, ACTIONS);
    stderr.write(`fraudstream model: ${problem}: inspect${hint}\n`);
    return 2;
  }
  const folder = settings['model.dir'];
  const text = await readModelText(join(folder, 'manifest.json'), MODEL_TEXT_BYTES_MAX);
  const manifest = parseManifest(text);
  const bytes = await readModelFile(join(folder, 'model.onnx'), MODEL_BYTES_MAX);
  if (createHash('sha256').update(bytes).digest('hex') !== manifest.sha256) {
    throw new FraudstreamError('FS_MODEL_HASH', `${join(folder, 'model.onnx')} is not the model of this manifest`);
  }
  const details = JSON.parse(text) as Record<string, unknown>;
  const format = settings['model-card.format'];
  if (format === 'json') {
    stdout.write(`${safeJson(details)}\n`);
    return 0;
  }
  const card = modelCard(manifest, details);
  stdout.write(format === 'markdown' ? `# ${manifest.version}\n\n${cardAsMarkdown(card)}` : cardAsText(card));
  return 0;
}
