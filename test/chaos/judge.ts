import type { OutputRecord } from '../../src/transport/record.ts';
import { partitionsOf, readLog, readLogPartition, type Raw } from '../support/e2e-log.ts';
import type { Settings } from '../support/e2e-run.ts';
import { decodeDecision, decodeFlagged, headerOf, type Topics } from '../support/e2e-topics.ts';
import { openFold } from './fold.ts';

/**
 * What the topics say, against one sequential fold of the input: each input has one output, in order, equal to the last
 * byte but for the decision time. Knows nothing of who ran, and what died.
 */

export interface Verdict {
  /** input records, and those that have an output (a decision or a dead letter) */
  readonly inputs: number;
  readonly outputs: number;
  readonly deadLetters: number;
  /** outputs beyond the first of an input */
  readonly duplicates: number;
  /** expected outputs that are not there */
  readonly missing: number;
  /** outputs that are not as the fold has them, or of no input, or out of order */
  readonly differing: number;
  /** records of transactions that were aborted, and of ones without an end */
  readonly aborted: number;
  readonly open: number;
  /** longest time between two decisions of one partition, by the broker's clock, ms */
  readonly gapMs: number;
  /** from when a payment was due to when its decision was appended, ms */
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number };
  /** the first of what is wrong, in words */
  readonly problems: readonly string[];
}

export interface JudgeInput {
  readonly bootstrap: string;
  readonly topics: Topics;
  readonly settings: Settings;
  /** the input as it was, where it is not there any more */
  readonly inputs?: ReadonlyMap<number, readonly Raw[]>;
  /** by partition: outputs of inputs below it were made with other settings, and are not compared */
  readonly from?: ReadonlyMap<number, number>;
}

const PROBLEMS_SHOWN = 12;

export async function judge(input: JudgeInput): Promise<Verdict> {
  const { bootstrap, topics } = input;
  const tally = new Tally();
  const fold = await openFold(input.settings);
  try {
    const letters = grouped(tally.seen(await readLog(bootstrap, topics.deadLetter)), (raw) =>
      Number(headerOf(raw, '__connect.errors.partition')),
    );
    for (const partition of await partitionsOf(bootstrap, topics.decisions)) {
      const records =
        input.inputs?.get(partition) ?? (await readLogPartition(bootstrap, topics.transactions, partition)).records;
      const read = async (topic: string): Promise<readonly Raw[]> =>
        tally.seen([await readLogPartition(bootstrap, topic, partition)]);
      const decisions = await read(topics.decisions);
      const actual: Actual = {
        decisions: grouped(decisions, (raw) => decodeDecision(raw).input_offset),
        flagged: grouped(await read(topics.flagged), (raw) => decodeFlagged(raw).decision.input_offset),
        'dead-letter': grouped(letters.get(partition) ?? [], (raw) => Number(headerOf(raw, '__connect.errors.offset'))),
      };
      tally.begin(records, decisions, actual);
      const from = input.from?.get(partition) ?? 0;
      for await (const outputs of fold.decide(partition, records)) tally.compare({ partition, from }, outputs, actual);
      tally.end(partition, actual);
    }
  } finally {
    await fold.close();
  }
  return tally.verdict();
}

type Actual = Record<OutputRecord['stream'], Map<number, Raw[]>>;

/** @param keyOf the input's offset, or its partition */
function grouped(records: readonly Raw[], keyOf: (raw: Raw) => number): Map<number, Raw[]> {
  const found = new Map<number, Raw[]>();
  for (const raw of records) {
    const key = keyOf(raw);
    const known = found.get(key);
    if (known === undefined) found.set(key, [raw]);
    else known.push(raw);
  }
  return found;
}

class Tally {
  private inputs = 0;
  private outputs = 0;
  private deadLetters = 0;
  private duplicates = 0;
  private missing = 0;
  private differing = 0;
  private aborted = 0;
  private open = 0;
  private gapMs = 0;
  private readonly latencies: number[] = [];
  private readonly problems: string[] = [];

  /** Counts what is not visible. @returns what is */
  seen(partitions: readonly { records: readonly Raw[]; aborted: number; open: number }[]): readonly Raw[] {
    for (const { aborted, open } of partitions) {
      this.aborted += aborted;
      this.open += open;
    }
    const [only] = partitions;
    return partitions.length === 1 && only !== undefined ? only.records : partitions.flatMap(({ records }) => records);
  }

  begin(records: readonly Raw[], decisions: readonly Raw[], actual: Actual): void {
    this.inputs += records.length;
    for (const { offset } of records) {
      if (actual.decisions.has(offset) || actual['dead-letter'].has(offset)) this.outputs++;
    }
    this.deadLetters += actual['dead-letter'].size;
    let [lastMs, lastOffset] = [-1, -1];
    for (const raw of decisions) {
      if (lastMs >= 0) this.gapMs = Math.max(this.gapMs, raw.timestampMs - lastMs);
      lastMs = raw.timestampMs;
      const due = headerOf(raw, 'ce_due');
      if (due !== undefined) this.latencies.push(raw.timestampMs - Number(due));
      const offset = decodeDecision(raw).input_offset;
      const once = actual.decisions.get(offset)?.length === 1;
      if (once && offset < lastOffset)
        this.wrong('differing', `${raw.topic}/${raw.partition}/${raw.offset}: out of order`);
      lastOffset = Math.max(lastOffset, offset);
    }
  }

  /** What the fold has, against what is there; what is matched is taken out. */
  compare(
    { partition, from }: { partition: number; from: number },
    expected: readonly OutputRecord[],
    actual: Actual,
  ): void {
    for (const output of expected) {
      const offset = offsetOf(output);
      const found = actual[output.stream].get(offset);
      const what = `${output.stream} of ${partition}/${offset}`;
      if (found === undefined) {
        // other settings may flag other payments
        if (offset < from && output.stream === 'flagged') continue;
        this.wrong('missing', `${what}: missing`);
        continue;
      }
      actual[output.stream].delete(offset);
      for (let extra = 1; extra < found.length; extra++)
        this.wrong('duplicates', `${what}: there ${found.length} times`);
      if (offset < from) continue;
      const texts = [contentOf(output), ...found].map((content) => textOf(output.stream, content));
      const other = texts.find((text) => text !== texts[0]);
      if (other !== undefined) this.wrong('differing', `${what}:\n    expected ${texts[0]}\n    found    ${other}`);
    }
  }

  end(partition: number, actual: Actual): void {
    for (const [stream, rest] of Object.entries(actual)) {
      for (const offset of rest.keys())
        this.wrong('differing', `${stream} of ${partition}/${offset}: of no such input`);
    }
  }

  verdict(): Verdict {
    const sorted = Float64Array.from(this.latencies).sort();
    const at = (share: number): number =>
      Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0);
    const { inputs, outputs, deadLetters, duplicates, missing, differing, aborted, open, gapMs, problems } = this;
    const latencyMs = { p50: at(0.5), p99: at(0.99), max: at(1) };
    return { inputs, outputs, deadLetters, duplicates, missing, differing, aborted, open, gapMs, latencyMs, problems };
  }

  private wrong(kind: 'duplicates' | 'missing' | 'differing', problem: string): void {
    this[kind]++;
    if (this.problems.length < PROBLEMS_SHOWN) this.problems.push(problem);
  }
}

type Content = Pick<Raw, 'key' | 'value' | 'headers'>;

function contentOf({ key, value, headers }: OutputRecord): Content {
  return { key: key?.toString() ?? null, value, headers: (headers ?? {}) as Raw['headers'] };
}

function offsetOf(output: OutputRecord): number {
  const content = contentOf(output);
  if (output.stream === 'decisions') return decodeDecision(content).input_offset;
  if (output.stream === 'flagged') return decodeFlagged(content).decision.input_offset;
  return Number(headerOf(content, '__connect.errors.offset'));
}

/** Everything of an output, but for its decision time. */
function textOf(stream: OutputRecord['stream'], content: Content): string {
  const headers = Object.keys(content.headers)
    .sort()
    .map((name) => `${name}=${headerOf(content, name)}`);
  const head = `${content.key} ${headers.join()}`;
  if (stream === 'dead-letter') return `${head} ${content.value?.toString('hex') ?? 'null'}`;
  if (stream === 'decisions') return `${head} ${JSON.stringify({ ...decodeDecision(content), decision_time: 0 })}`;
  const { decision, ...rest } = decodeFlagged(content);
  return `${head} ${JSON.stringify({ ...rest, decision: { ...decision, decision_time: 0 } })}`;
}
