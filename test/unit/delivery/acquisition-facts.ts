import { planAcquisition, type Acquisition, type AcquisitionOptions } from '../../../src/delivery/acquisition.ts';
import type { Committed, Facts } from '../../../src/delivery/facts.ts';
import type { Position } from '../../../src/delivery/position.ts';
import type { LogMark } from '../../../src/domain/log-mark.ts';
import type { OutputTail } from '../../../src/transport/output-log.ts';

const OPTIONS: AcquisitionOptions = { delivery: 'exactly-once', fingerprint: 'layout-1', startPolicy: 'earliest' };
export const LOG = { clusterId: 'c1', topicId: 't1', partitions: 4 };
export const MARK: LogMark = { ...LOG, delivery: 'exactly-once', lastOffset: 59, lastHash: 'hash-59' };
export const POSITION: Position = {
  offset: 60,
  mark: MARK,
  lastDecision: 58,
  origin: 0,
  fingerprint: 'layout-1',
  acceptedTo: -1,
  poison: [],
};

export interface Change {
  position?: Partial<Position>;
  mark?: Partial<LogMark>;
  facts?: Partial<Facts>;
}

/** Everything fits together: decided to 60, folded to 40, the log holds 10 to 100. */
function facts({ position = {}, mark = {}, facts: more = {} }: Change = {}): Facts {
  const committed = { ...POSITION, ...position, mark: { ...MARK, ...mark } };
  return {
    key: { app: 'app', topic: 'transactions', partition: 3 },
    range: { start: 10, end: 100 },
    log: { ...LOG, compacted: false },
    committed: { offset: committed.offset, position: committed },
    sibling: null,
    output: { lastDecision: 58, lastDeadLetter: 59, lastFlagged: null, firstOpen: null, untouched: false },
    state: { watermark: 40, fingerprint: 'layout-1', note: 's1', flushing: null },
    note: { mark: { ...MARK, lastOffset: 39, lastHash: 'hash-39' }, knownSinceMs: 1_000 },
    recordAtPosition: 'hash-59',
    recordAtNote: 'hash-39',
    ...more,
  };
}

export const NO_STATE = {
  state: { watermark: null, fingerprint: null, note: null, flushing: null },
  note: null,
  recordAtNote: null,
};
export const NOTHING: Partial<Facts> = {
  ...NO_STATE,
  committed: null,
  output: { lastDecision: null, lastDeadLetter: null, lastFlagged: null, firstOpen: null, untouched: true },
  recordAtPosition: null,
};
export const output = (lastDecision: number | null, lastDeadLetter: number | null = null, untouched = false) => ({
  facts: { output: { lastDecision, lastDeadLetter, lastFlagged: null, firstOpen: null, untouched } },
});
/** Output that fits otherwise. */
export const witness = (change: Partial<OutputTail>): Change => ({
  facts: {
    output: { lastDecision: 58, lastDeadLetter: 59, lastFlagged: 58, firstOpen: null, untouched: false, ...change },
  },
});
export const setTo = (offset: number, more: Partial<Facts> = {}): Change => ({
  facts: { committed: { offset, position: 'foreign' }, recordAtPosition: null, ...more },
});

export const plan = (change: Change = {}, options: Partial<AcquisitionOptions> = {}): Acquisition =>
  planAcquisition(facts(change), { ...OPTIONS, ...options });

/** The position of partition 0, where this partition has none. */
export const siblingAt = (mark: Partial<LogMark>, more: Partial<Facts> = NOTHING): Change => {
  const sibling: Committed = { offset: 60, position: { ...POSITION, mark: { ...MARK, ...mark } } };
  return { facts: { ...more, sibling } };
};
