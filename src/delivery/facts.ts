import type { Clock } from '../domain/clock.ts';
import type { PartitionState, PartitionStore } from '../state/store.ts';
import type { InputIdentity, InputLog } from '../transport/input-log.ts';
import type { Ledger } from '../transport/ledger.ts';
import type { OutputLog, OutputTail } from '../transport/output-log.ts';
import { decodePosition, type Position, type PositionKey } from './position.ts';
import { hashOf } from './record-hash.ts';
import { decodeNote, type StateNote } from './state-note.ts';

/** All that an owner must know before its first decision. */
export interface Facts {
  readonly key: PositionKey;
  readonly range: { readonly start: number; readonly end: number };
  readonly log: InputIdentity;
  readonly committed: Committed | null;
  /** of partition 0, when this one has no position: a partition that was added must not pass for a new application's */
  readonly sibling: Committed | null;
  readonly output: OutputTail;
  readonly state: PartitionState;
  /** of `state`; null when there is none, or it cannot be read */
  readonly note: StateNote | null;
  /** what stands at the marked records of position and note now: null = nothing is there */
  readonly recordAtPosition: string | null;
  readonly recordAtNote: string | null;
}

export interface Committed {
  readonly offset: number;
  readonly position: Position | 'foreign' | 'newer';
}

export interface FactPorts {
  readonly app: string;
  readonly input: InputLog;
  readonly ledger: Ledger;
  readonly outputLog: OutputLog;
  readonly store: PartitionStore;
  readonly clock: Clock;
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** After a change of leader, the end of a log that its leader tells may be behind for a moment. */
const END_WAIT_MS_MAX = 5_000;
const END_PAUSE_MS = 250;

/** Reads them in this order; whoever goes to decide must have fenced the earlier owners before. Throws what its ports throw. */
export async function gatherFacts(ports: FactPorts): Promise<Facts> {
  const { app, input, ledger, outputLog, store } = ports;
  const { topic, partition } = input;
  const key = { app, topic, partition };
  const committed = await committedOf(ledger, key);
  const sibling = committed === null && partition > 0 ? await committedOf(ledger, { ...key, partition: 0 }) : null;
  const position = committed !== null && typeof committed.position === 'object' ? committed.position : null;
  const [output, state, log] = [await outputLog.tail(partition), await store.readState(), await input.identity()];
  const note = state.note === null ? null : decodeNote(state.note);
  const range = await rangeBehind(ports, committed?.offset ?? 0);
  return {
    key,
    range,
    log,
    committed,
    sibling,
    output,
    state,
    note,
    recordAtPosition: position === null ? null : await hashAt(input, position.mark.lastOffset, range),
    recordAtNote: note === null ? null : await hashAt(input, note.mark.lastOffset, range),
  };
}

async function committedOf(ledger: Ledger, key: PositionKey): Promise<Committed | null> {
  const found = await ledger.read(key.topic, key.partition);
  return found === null ? null : { offset: found.offset, position: decodePosition(key, found) };
}

async function rangeBehind({ input, clock, pause }: FactPorts, offset: number): Promise<Facts['range']> {
  const deadlineMs = clock.monotonicMs() + END_WAIT_MS_MAX;
  for (;;) {
    const range = await input.range();
    if (range.end >= offset || input.signal.aborted || clock.monotonicMs() >= deadlineMs) return range;
    await pause(END_PAUSE_MS, input.signal);
  }
}

async function hashAt(input: InputLog, offset: number, range: Facts['range']): Promise<string | null> {
  if (offset < range.start || offset >= range.end) return null;
  const record = await input.readRecord(offset);
  return record === null || record.offset !== offset ? null : hashOf(record);
}
