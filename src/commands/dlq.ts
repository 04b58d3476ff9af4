import { DEAD_LETTER_HEADERS, isIncomplete, replayHeaders } from '../codec/dead-letter.ts';
import { didYouMean } from '../domain/suggest.ts';
import { quote } from '../config/values.ts';
import { errorFields } from '../observability/log.ts';
import { escapeText, safeJson } from '../observability/terminal.ts';
import { KafkaProducer } from '../transport/kafka/producer.ts';
import { readTopic } from '../transport/kafka/read-topic.ts';
import type { InputRecord } from '../transport/record.ts';
import type { CommandContext } from './command.ts';
import { kafkaClientOf } from './connections.ts';
import { readDeadLetterFile } from './dead-letter-file.ts';
import {
  factsOf,
  renderCounts,
  renderListLine,
  renderRecord,
  recordJson,
  type DeadLetterFacts,
} from './dead-letter-view.ts';

const ACTIONS = ['list', 'show', 'replay'] as const;
const SEND_RECORDS_MAX = 200;

interface DeadLetter {
  readonly record: InputRecord;
  readonly facts: DeadLetterFacts;
}

/** `fraudstream dlq list|show|replay` */
export async function run(context: CommandContext): Promise<number> {
  const action = context.args[0];
  if (action === 'list') return list(context);
  if (action === 'show') return show(context);
  if (action === 'replay') return replay(context);
  const problem = action === undefined ? 'say what to do' : `unknown action ${quote(action)}`;
  const hint = action === undefined ? '' : didYouMean(action, ACTIONS);
  context.stderr.write(`fraudstream dlq: ${problem}: list, show or replay${hint}\n`);
  return 2;
}

async function list(context: CommandContext): Promise<number> {
  const { settings, stdout } = context;
  const counts = new Map<string, number>();
  let total = 0;
  for await (const { record, facts } of readDeadLetters(context)) {
    total++;
    counts.set(facts.code, (counts.get(facts.code) ?? 0) + 1);
    // all are counted, but not all are shown
    if (total > settings['dlq.limit']) continue;
    stdout.write(settings['dlq.json'] ? `${safeJson(recordJson(record, facts))}\n` : renderListLine(record, facts));
  }
  if (settings['dlq.json']) return 0;
  const shown = Math.min(total, settings['dlq.limit']);
  stdout.write(
    `${total === 0 ? '' : '\n'}${renderCounts(counts)}${String(total).padStart(8)}  in all, ${shown} shown\n`,
  );
  return 0;
}

async function show(context: CommandContext): Promise<number> {
  const { settings, stdout, stderr } = context;
  if (settings['dlq.offset'] === null) {
    stderr.write('fraudstream dlq show: --offset: is needed; dlq list shows partition/offset of each\n');
    return 2;
  }
  let shown = 0;
  for await (const { record, facts } of readDeadLetters(context)) {
    stdout.write(settings['dlq.json'] ? `${safeJson(recordJson(record, facts))}\n` : renderRecord(record, facts));
    shown++;
  }
  if (shown > 0) return 0;
  stderr.write('fraudstream dlq show: there is no such dead letter; dlq list shows partition/offset of each\n');
  return 1;
}

/**
 * Sends dead letters to the input topic again, as they were, with a new record timestamp: they are logged now. They stay
 * in the dead-letter topic. Those without their whole payload, and those of another topic, are left out and counted.
 */
async function replay(context: CommandContext): Promise<number> {
  const { settings, stdout, log } = context;
  const topic = settings['topics.transactions'];
  const dryRun = settings['dlq.dry-run'];
  const producer = dryRun
    ? null
    : new KafkaProducer(kafkaClientOf(settings, log), { compression: settings['kafka.compression'] });
  const counts = { sent: 0, incomplete: 0, foreign: 0 };
  let waiting: InputRecord[] = [];
  const flush = async (): Promise<void> => {
    if (producer !== null && waiting.length > 0) {
      const partitions = await producer.partitionCount(topic);
      await producer.send(
        waiting.map((record) => ({
          topic,
          partition: record.partition % partitions,
          key: record.key,
          value: record.value,
          headers: replayHeaders(record.headers),
          timestampMs: -1,
        })),
      );
    }
    counts.sent += waiting.length;
    waiting = [];
  };
  try {
    for await (const { record, facts } of readDeadLetters(context)) {
      if (isIncomplete(record.headers)) counts.incomplete++;
      else if (facts.sourceTopic !== '' && facts.sourceTopic !== topic) counts.foreign++;
      else {
        // the partition that it came from, so that it stays in order with others of its user
        waiting.push({ ...copyOf(record), partition: facts.sourcePartition ?? record.partition });
        if (dryRun) stdout.write(renderListLine(record, facts));
      }
      if (waiting.length >= SEND_RECORDS_MAX) await flush();
      if (counts.sent + waiting.length >= settings['dlq.limit']) break;
    }
    await flush();
  } finally {
    await producer?.close();
    const verb = dryRun ? 'would be sent' : 'sent';
    stdout.write(`${counts.sent} ${verb} to ${escapeText(topic)}\n`);
    if (counts.incomplete > 0)
      stdout.write(`${counts.incomplete} left out: their payload was not kept, or not whole\n`);
    if (counts.foreign > 0) stdout.write(`${counts.foreign} left out: they came from another topic\n`);
  }
  return 0;
}

/** A record of a batch is a view that is gone with the batch: this one may wait. */
function copyOf({ topic, partition, offset, timestampMs, key, value, headers }: InputRecord): InputRecord {
  return {
    topic,
    partition,
    offset,
    timestampMs,
    key: key === null ? null : Buffer.from(key),
    value: value === null ? null : Buffer.from(value),
    headers:
      headers === null
        ? null
        : Object.fromEntries(
            Object.entries(headers).map(([name, one]) => [
              name,
              Buffer.isBuffer(one) ? Buffer.from(one) : one.map((part) => Buffer.from(part)),
            ]),
          ),
  };
}

/** Those that the options ask for. */
async function* readDeadLetters(context: CommandContext): AsyncGenerator<DeadLetter> {
  const { settings, signal } = context;
  const { 'dlq.code': code, 'dlq.partition': partition, 'dlq.offset': offset, 'dlq.from-file': file } = settings;
  for await (const record of file === null ? readDeadLetterTopic(context) : readDeadLetterFile(file)) {
    if (signal.aborted) return;
    const facts = factsOf(record.headers, DEAD_LETTER_HEADERS);
    if (code !== null && facts.code !== code) continue;
    if (partition !== null && record.partition !== partition) continue;
    if (offset !== null && record.offset !== offset) continue;
    yield { record, facts };
    // there is only one
    if (offset !== null && (partition !== null || file !== null)) return;
  }
}

async function* readDeadLetterTopic({ settings, log, signal }: CommandContext): AsyncGenerator<InputRecord> {
  const batches = readTopic(kafkaClientOf(settings, log), {
    topic: settings['topics.dead-letter'],
    partition: settings['dlq.partition'],
    offset: settings['dlq.offset'],
    sinceMs: null,
    follow: false,
    signal,
    onUnreadable: (error) => log.warn('passed over a stretch of the log that cannot be read', errorFields(error)),
  });
  for await (const records of batches) yield* records;
}
