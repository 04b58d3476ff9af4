import { minorUnitDigits } from '../domain/currency.ts';
import { createFlaggedDecoder } from '../codec/decision-decoder.ts';
import type { FlaggedTransaction } from '../domain/decision.ts';
import { FraudstreamError } from '../domain/errors.ts';
import { errorFields } from '../observability/log.ts';
import { safeJson } from '../observability/terminal.ts';
import { readTopic } from '../transport/kafka/read-topic.ts';
import type { CommandContext } from './command.ts';
import { kafkaClientOf, registryOf } from './connections.ts';
import { readFlaggedFile } from './flagged-file.ts';
import { matchesFilter, renderCase, type FlaggedFilter } from './flagged-view.ts';

const REGISTRY_RETRY_MS = 1_000;
const REGISTRY_TRIES_MAX = 5;
const CLOCK_AHEAD_MS_MAX = 3_600_000;

/** `fraudstream flagged`: cases to stdout; the count goes to stderr. */
export async function run(context: CommandContext): Promise<number> {
  const { settings, stdout, stderr, signal } = context;
  const file = settings['flagged.from-file'];
  const filter: FlaggedFilter = {
    minScore: settings['flagged.min-score'],
    user: settings['flagged.user'],
    reason: settings['flagged.reason'],
    sinceMs: settings['flagged.since'],
  };
  const limit = settings['flagged.limit'] ?? Number.POSITIVE_INFINITY;
  const style = { colour: stdout.isTTY === true && process.env['NO_COLOR'] === undefined, minorUnitDigits };
  let seen = 0;
  let shown = 0;
  for await (const flagged of file === null ? readFlaggedTopic(context) : readFlaggedFile(file)) {
    if (signal.aborted) break;
    seen++;
    if (!matchesFilter(flagged, filter)) continue;
    stdout.write(settings['flagged.json'] ? `${safeJson(flagged)}\n` : `${renderCase(flagged, style)}\n`);
    if (++shown >= limit) break;
  }
  if (!settings['flagged.json']) stderr.write(`${shown} shown of ${seen} flagged payments\n`);
  return 0;
}

async function* readFlaggedTopic(context: CommandContext): AsyncGenerator<FlaggedTransaction> {
  const { settings, log, signal } = context;
  const since = settings['flagged.since'];
  const decoder = createFlaggedDecoder(registryOf(settings));
  const batches = readTopic(kafkaClientOf(settings, log), {
    topic: settings['topics.flagged'],
    partition: null,
    offset: null,
    // an event is logged after it happened, but for clocks that are ahead
    sinceMs: since === null ? null : since - CLOCK_AHEAD_MS_MAX,
    follow: settings['flagged.follow'],
    signal,
    onUnreadable: (error) => log.warn('passed over a stretch of the log that cannot be read', errorFields(error)),
  });
  for await (const records of batches) {
    await prepared(() => decoder.prepare(records.map((record) => record.value)), context);
    for (const { value, topic, partition, offset } of records) {
      let flagged: FlaggedTransaction;
      try {
        flagged = decoder.decode(value);
      } catch (thrown) {
        if (!(thrown instanceof FraudstreamError)) throw thrown;
        log.warn('passed over a record that cannot be read', { ...errorFields(thrown), topic, partition, offset });
        continue;
      }
      yield flagged;
    }
  }
}

/** The registry may be away for a moment; when following, for longer. */
async function prepared(prepare: () => Promise<void>, { settings, log, signal }: CommandContext): Promise<void> {
  for (let tries = 1; !signal.aborted; tries++) {
    try {
      await prepare();
      return;
    } catch (thrown) {
      if (!settings['flagged.follow'] && tries >= REGISTRY_TRIES_MAX) throw thrown;
      log.warn('the schema registry does not answer: trying again', errorFields(thrown));
      await new Promise((resolve) => setTimeout(resolve, REGISTRY_RETRY_MS));
    }
  }
}
