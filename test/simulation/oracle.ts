import type { ErrorCode } from '../../src/domain/errors.ts';
import { decodeNote } from '../../src/delivery/state-note.ts';
import { FraudstreamError } from '../../src/domain/errors.ts';
import type { PartitionState } from '../../src/state/store.ts';
import type { InputRecord, OutputStream } from '../../src/transport/record.ts';
import { decisionOf, flaggedOf } from '../support/pipeline-engine.ts';
import { comparable, foldOutputs, headerText, StateFold, type Comparable } from './fold.ts';
import { committedIn } from './log-reader.ts';
import { modelKeys, stateIn } from './model-redis-store.ts';
import type { RedisValue } from './model-redis.ts';
import { APP, INPUT, OUTPUTS, type World } from './world.ts';

/** What is wrong with a history; each a sentence. */
export type Faults = string[];

const STREAMS = Object.keys(OUTPUTS) as OutputStream[];
const POISON: ErrorCode = 'FS_INPUT_POISON';
const SHOWN = 5;
/** records are put aside when they seem to have ended so many processes */
const DEATHS_OF_POISON = 3;

/** State as it stood at some time, to be compared with the fold later. */
export interface Snapshot {
  readonly state: PartitionState;
  readonly blobs: ReadonlyMap<string, Uint8Array>;
}

export function snapshotOf(world: World, partition: number): Snapshot | null {
  const keys = modelKeys(APP, { topic: INPUT, partition });
  const data: ReadonlyMap<string, RedisValue> = world.redis.data;
  const state = stateIn(data, keys);
  if (state.watermark === null) return null;
  const blobs = new Map<string, Uint8Array>();
  for (const [key, value] of data) {
    if (typeof value !== 'string' && key.startsWith(keys.blobPrefix))
      blobs.set(key.slice(keys.blobPrefix.length), value);
  }
  return { state, blobs };
}

/** The readable input of a partition, from its first record on, whatever retention has left of it. */
export function readableInput(world: World, partition: number): InputRecord[] {
  const poisoned = new Set(
    outputOf(world, partition, 'dead-letter').flatMap(({ offset, code }) => (code === POISON ? [offset] : [])),
  );
  const records = world.archives[partition]!.committed();
  if (poisoned.size === 0) return records;
  return records.map((record) => {
    if (!poisoned.has(record.offset)) return record;
    const { topic, offset } = record;
    return { ...record, failure: new FraudstreamError(POISON, '', { topic, partition, offset }) };
  });
}

interface Found extends Comparable {
  /** of a dead letter, else '' */
  readonly code: string;
  /** false: the decision says itself that its history is not complete */
  readonly exact: boolean;
}

/** The output of one input partition as a read-committed reader sees it, in the order of the log. */
function outputOf(world: World, partition: number, stream: OutputStream): Found[] {
  return committedIn(world.kafka.log(OUTPUTS[stream], partition)).map((record) => {
    const { key, value, headers } = record;
    const output = { stream, partition, key, value, headers, timestampMs: -1 };
    const code = stream === 'dead-letter' ? headerText(headers, 'fraudstream.error.code') : '';
    const exact =
      stream === 'decisions'
        ? decisionOf(output).exact
        : stream === 'flagged'
          ? flaggedOf(output).decision.exact
          : true;
    return { ...comparable(output), code, exact };
  });
}

/** Everything that was decided, against one sequential fold of the input. */
export async function checkOutput(world: World, partition: number, upTo: number): Promise<Faults> {
  const faults: Faults = [];
  const input = readableInput(world, partition).filter(({ offset }) => offset < upTo);
  for (const { failure, offset } of input) {
    const planned = world.poison?.partition === partition && world.poison.offset === offset;
    if (failure?.code === POISON && !planned && world.deaths < DEATHS_OF_POISON) {
      faults.push(`${partition}: input ${offset} is put aside after ${world.deaths} deaths`);
    }
  }
  const expected = await foldOutputs(world.features, input);
  // Retention has taken what the state was to be made from, or the store is away and the policy is to decide without it: the
  // decision must say so itself, and may flag otherwise.
  const excused = new Set<number>();
  if (world.retained.has(partition) || world.plan.onUnavailable !== 'stop') {
    for (const { offset, exact } of outputOf(world, partition, 'decisions')) if (!exact) excused.add(offset);
    world.inexact += excused.size;
  }
  const withoutExcused = (some: readonly Comparable[]): number[] =>
    some.filter(({ stream, offset }) => stream !== 'flagged' || !excused.has(offset)).map(({ offset }) => offset);
  for (const stream of STREAMS) {
    const wanted = expected.filter((one) => one.stream === stream);
    const found = outputOf(world, partition, stream);
    const name = `${stream}/${partition}`;
    const firsts = world.plan.delivery === 'exactly-once' ? found : firstOfEach(found, name, excused, faults);
    const order = withoutExcused(firsts);
    const due = withoutExcused(wanted);
    if (order.join() !== due.join()) faults.push(`${name}: ${difference(due, order)}`);
    const byOffset = new Map(wanted.map((one) => [one.offset, one]));
    for (const one of found) {
      const due = byOffset.get(one.offset);
      if (due === undefined || due.bytes === one.bytes || (!one.exact && excused.has(one.offset))) continue;
      faults.push(`${name}: input ${one.offset} is decided otherwise than from its history`);
    }
  }
  const kinds = new Set(expected.filter(({ stream }) => stream !== 'flagged').map(({ offset }) => offset));
  const missing = input.filter(({ offset }) => !kinds.has(offset));
  if (missing.length > 0) faults.push(`${partition}: the fold itself leaves out ${missing.length} records`);
  return faults;
}

/** At least once: repeats are allowed, equal ones (their bytes are compared like all others). */
function firstOfEach(found: readonly Found[], name: string, excused: ReadonlySet<number>, faults: Faults): Found[] {
  const seen = new Map<number, string>();
  for (const { offset, bytes, exact } of found) {
    const first = seen.get(offset);
    if (first === undefined) seen.set(offset, bytes);
    else if (first !== bytes && exact && !excused.has(offset))
      faults.push(`${name}: the repeat of input ${offset} differs from the first`);
  }
  return [...new Map(found.map((one) => [one.offset, one])).values()].sort((a, b) => a.offset - b.offset);
}

function difference(due: readonly number[], found: readonly number[]): string {
  const dueSet = new Set(due);
  const foundSet = new Set(found);
  const missing = due.filter((offset) => !foundSet.has(offset));
  const foreign = found.filter((offset) => !dueSet.has(offset));
  const repeated = found.filter((offset, k) => found.indexOf(offset) < k);
  const list = (offsets: readonly number[]): string =>
    offsets.slice(0, SHOWN).join(', ') + (offsets.length > SHOWN ? ` … (${offsets.length})` : '');
  const parts = [
    missing.length > 0 ? `inputs ${list(missing)} are not decided` : '',
    foreign.length > 0 ? `inputs ${list(foreign)} must not be decided` : '',
    repeated.length > 0 ? `inputs ${list(repeated)} are decided twice` : '',
  ].filter((part) => part !== '');
  return parts.length > 0 ? parts.join('; ') : 'decisions are not in the order of the input';
}

/** State at w is the fold up to w, at each of these times. A flush that was cut short may have left newer blobs. */
export async function checkState(world: World, partition: number, snapshots: readonly Snapshot[]): Promise<Faults> {
  const faults: Faults = [];
  const input = readableInput(world, partition);
  const fold = await StateFold.of(world.features, input, partition);
  const due: { at: number; user: string; blob: Uint8Array | null; watermark: number }[] = [];
  const seen = new Set<Uint8Array>();
  for (const { state, blobs } of snapshots) {
    const watermark = state.watermark as number;
    if ((decodeNote(state.note ?? '')?.knownSinceMs ?? 0) > 0) continue;
    for (const user of fold.usersUpTo(watermark)) {
      if (!blobs.has(user)) due.push({ at: watermark, user, blob: null, watermark });
    }
    for (const [user, blob] of blobs) {
      const at = Math.max(watermark, fold.lastOffsetIn(blob) + 1);
      if (at > watermark && seen.has(blob)) continue;
      seen.add(blob);
      due.push({ at, user, blob, watermark });
    }
  }
  due.sort((a, b) => a.at - b.at);
  for (const { at, user, blob, watermark } of due) {
    await fold.moveTo(at);
    const wrong = await fold.compare(user, blob);
    if (wrong !== '') faults.push(`state/${partition} at ${watermark}: ${wrong}`);
  }
  return faults;
}
