import { SCHEMA_TYPES } from '../../src/codec/schemas.ts';
import type { Clock } from '../../src/domain/clock.ts';
import type { Decision, FlaggedTransaction } from '../../src/domain/decision.ts';
import type { Plan } from '../../src/features/plan.ts';
import { decodeHistory } from '../../src/state/blob-decode.ts';
import { encodeHistory } from '../../src/state/blob-encode.ts';
import { CacheBudget } from '../../src/state/cache.ts';
import { EventView } from '../../src/state/event-view.ts';
import { MemoryStateStore } from '../../src/state/memory-store.ts';
import { PartitionHistories } from '../../src/state/partition-histories.ts';
import type { InputRecord, OutputStream, RecordHeaders } from '../../src/transport/record.ts';
import { decisionOf, flaggedOf } from '../support/pipeline-engine.ts';
import { simulatedEngine } from './engine.ts';

/** What the input must become: one engine, one go, a store that never fails. */

const ROOM_BYTES = 1e9;
const STILL: Clock = { nowMs: () => 0, monotonicMs: () => 0 };

/** An output, and its bytes with the one field zeroed that a second decision may change. */
export interface Comparable {
  readonly stream: OutputStream;
  /** of the input */
  readonly offset: number;
  readonly bytes: string;
}

interface Output {
  readonly stream: OutputStream;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: RecordHeaders | null;
}

export async function foldOutputs(plan: Plan, records: readonly InputRecord[]): Promise<Comparable[]> {
  if (records.length === 0) return [];
  const { topic, partition } = records[0] as InputRecord;
  const histories = await memoryHistories(plan, topic, partition);
  const { outputs } = await simulatedEngine(plan, STILL).decide(
    { topic, partition, records, highWatermark: -1 },
    histories,
  );
  return outputs.map(comparable);
}

async function memoryHistories(plan: Plan, topic: string, partition: number): Promise<PartitionHistories> {
  const store = await new MemoryStateStore().open({ topic, partition });
  return new PartitionHistories(plan.layout, store, new CacheBudget(ROOM_BYTES));
}

export function comparable(output: Output): Comparable {
  const { stream, key, headers } = output;
  const around = `${key?.toString('latin1')} ${headersText(headers)}`;
  if (stream === 'dead-letter') {
    const offset = Number(headerText(headers, '__connect.errors.offset'));
    return { stream, offset, bytes: `${around} ${output.value?.toString('latin1')}` };
  }
  const record = { ...output, partition: 0, timestampMs: 0 };
  const value: Decision | FlaggedTransaction = stream === 'decisions' ? decisionOf(record) : flaggedOf(record);
  const decision = stream === 'decisions' ? (value as Decision) : (value as FlaggedTransaction).decision;
  decision.decision_time = 0;
  const type = stream === 'decisions' ? SCHEMA_TYPES.decision : SCHEMA_TYPES.flagged;
  return { stream, offset: decision.input_offset, bytes: `${around} ${type.toBuffer(value).toString('latin1')}` };
}

export function headerText(headers: RecordHeaders | null, name: string): string {
  const value = headers?.[name];
  return value === undefined ? '' : (Buffer.isBuffer(value) ? value : (value[0] as Buffer)).toString();
}

function headersText(headers: RecordHeaders | null): string {
  const names = Object.keys(headers ?? {}).sort();
  return names.map((name) => `${name}=${headerText(headers, name)}`).join('&');
}

/** The state behind each position, in ascending order of positions. */
export class StateFold {
  private readonly plan: Plan;
  private readonly records: readonly InputRecord[];
  private readonly histories: PartitionHistories;
  private readonly engine;
  private readonly scratch: EventView;
  private next = 0;

  private constructor(plan: Plan, records: readonly InputRecord[], histories: PartitionHistories) {
    this.plan = plan;
    this.records = records;
    this.histories = histories;
    this.engine = simulatedEngine(plan, STILL);
    this.scratch = new EventView(plan.layout);
  }

  static async of(plan: Plan, records: readonly InputRecord[], partition: number): Promise<StateFold> {
    return new StateFold(plan, records, await memoryHistories(plan, 'transactions', partition));
  }

  async moveTo(position: number): Promise<void> {
    const from = this.next;
    while (this.next < this.records.length && (this.records[this.next] as InputRecord).offset < position) this.next++;
    if (this.next > from) await this.engine.foldSilently(this.records.slice(from, this.next), this.histories);
  }

  /** '' when it is what it must be at this position, else what is wrong. */
  async compare(user: string, blob: Uint8Array | null): Promise<string> {
    const [entry] = await this.histories.load([user]);
    const expected = entry!.history;
    if (blob === null) return expected.lastOffset < 0 ? '' : `${user} has no history`;
    const found = decodeHistory(blob, this.plan.layout, this.scratch);
    if (found.lastOffset !== expected.lastOffset) {
      return `${user} has seen ${found.lastOffset}, must have seen ${expected.lastOffset}`;
    }
    // Both by way of a blob: what a blob drops of a history is the same for both then.
    const again = encodeHistory(decodeHistory(encodeHistory(expected), this.plan.layout, this.scratch));
    return Buffer.compare(encodeHistory(found), again) === 0 ? '' : `${user} has another history`;
  }

  lastOffsetIn(blob: Uint8Array): number {
    return decodeHistory(blob, this.plan.layout, this.scratch).lastOffset;
  }

  /** Users that must have a history by now. */
  usersUpTo(position: number): Set<string> {
    const users = new Set<string>();
    for (const { offset, key } of this.records) if (offset < position && key) users.add(key.toString());
    return users;
  }
}
