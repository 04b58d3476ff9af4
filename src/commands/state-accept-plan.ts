import type { Facts } from '../delivery/facts.ts';
import type { Position } from '../delivery/position.ts';
import { FraudstreamError } from '../domain/errors.ts';
import type { Delivery, LogMark } from '../domain/log-mark.ts';

/** What an operator says about a position that cannot be gone on from. */
export type Acceptance =
  | { readonly kind: 'skip' | 'redecide'; readonly to: number | null }
  | { readonly kind: 'log'; readonly from: 'earliest' | 'latest' | number | null }
  | { readonly kind: 'delivery' };

export interface AcceptOptions {
  /** of this configuration */
  readonly delivery: Delivery;
  readonly fingerprint: string;
}

export interface AcceptPlan {
  /** its mark names no record: whoever commits it looks at the log */
  readonly position: Position;
  readonly dropsState: boolean;
  /** ranges and numbers: what this means */
  readonly says: readonly string[];
}

/**
 * What `state accept` commits. Pure. Throws FS_CONFIG_INVALID when what is asked for would do something else than it says:
 * the message names what does it. Null: there is nothing to accept.
 */
export function planAccept(facts: Facts, acceptance: Acceptance, options: AcceptOptions): AcceptPlan | null {
  if (facts.committed?.position === 'newer') {
    throw refuse(facts, 'the position was committed by a newer version of fraudstream: use that one');
  }
  switch (acceptance.kind) {
    case 'skip':
      refuseAnotherLog(facts);
      return planSkip(facts, acceptance.to, options);
    case 'redecide':
      refuseAnotherLog(facts);
      return planRedecide(facts, acceptance.to, options);
    case 'log':
      return planLog(facts, acceptance.from, options);
    case 'delivery':
      return planDelivery(facts, options);
  }
}

function planSkip(facts: Facts, asked: number | null, options: AcceptOptions): AcceptPlan {
  const to = targetOf(facts, asked);
  const known = knownPosition(facts);
  const next = nextUndecided(facts);
  if (to < nextOutput(facts)) {
    throw refuse(
      facts,
      `the output reaches ${nextOutput(facts) - 1}: records ${to} to ${nextOutput(facts) - 1} would be decided again; use --redecide, or --skip --to ${nextOutput(facts)}`,
    );
  }
  const says = [to > next ? `records ${next} to ${to - 1} are left undecided` : 'no record is left undecided'];
  const lost = facts.output.lastDecision !== null ? facts.output.lastDecision : -1;
  if (known !== null && known.lastDecision > lost && !facts.output.untouched) {
    says.push(`decisions of records ${lost + 1} to ${known.lastDecision} are not in the output and stay so`);
  } else if (known !== null && known.lastDecision > lost) {
    says.push('the output is empty: earlier decisions are not in it and stay so');
  }
  return { ...withState(facts, to, says), position: positionAt(facts, to, known?.acceptedTo ?? -1, options) };
}

function planRedecide(facts: Facts, asked: number | null, options: AcceptOptions): AcceptPlan {
  const to = targetOf(facts, asked);
  const next = nextUndecided(facts);
  if (to > next) {
    throw refuse(facts, `records ${next} to ${to - 1} would be left undecided; use --redecide --to ${next}, or --skip`);
  }
  const says = [
    to < next ? `records ${to} to ${next - 1} are decided again: their decisions repeat` : 'no record is decided again',
  ];
  const acceptedTo = Math.max(knownPosition(facts)?.acceptedTo ?? -1, nextOutput(facts) - 1);
  return { ...withState(facts, to, says), position: positionAt(facts, to, acceptedTo, options) };
}

function planLog(facts: Facts, asked: 'earliest' | 'latest' | number | null, options: AcceptOptions): AcceptPlan {
  const { range, log, committed } = facts;
  const mark = knownPosition(facts)?.mark ?? facts.note?.mark ?? null;
  const anotherTopic = mark !== null && (mark.clusterId !== log.clusterId || mark.topicId !== log.topicId);
  const cut = committed !== null && committed.offset > range.end;
  const from = asked ?? (anotherTopic ? 'earliest' : cut ? 'latest' : null);
  if (from === null) {
    throw refuse(
      facts,
      'the log was cut and written anew, nobody knows where; say --from earliest (decide all of it again), --from latest (leave what is there undecided) or an offset',
    );
  }
  const to = from === 'earliest' ? range.start : from === 'latest' ? range.end : from;
  inRange(facts, to);
  const says = [
    'the log is taken as it is now; the state is dropped',
    ...(to > range.start ? [`records ${range.start} to ${to - 1} are folded into histories, not decided`] : []),
    to < range.end ? `records ${to} to ${range.end - 1} are decided` : `decisions begin with record ${to}`,
  ];
  const acceptedTo = nextOutput(facts) - 1;
  const position = { ...positionAt(facts, to, acceptedTo, options), lastDecision: -1, origin: -1, poison: [] };
  return { position, dropsState: true, says };
}

function planDelivery(facts: Facts, options: AcceptOptions): AcceptPlan | null {
  const known = knownPosition(facts);
  if (known === null) throw refuse(facts, 'there is no valid position whose delivery could change');
  if (known.mark.delivery === options.delivery) return null;
  return {
    position: { ...known, mark: { ...known.mark, delivery: options.delivery } },
    dropsState: false,
    says: [`goes on at ${known.offset} with delivery ${options.delivery}, it was ${known.mark.delivery}`],
  };
}

/** Offsets mean something only within one log. */
function refuseAnotherLog(facts: Facts): void {
  const { log, range, note } = facts;
  const position = knownPosition(facts);
  for (const [mark, found] of [
    [position?.mark, facts.recordAtPosition],
    [note?.mark, facts.recordAtNote],
  ] as const) {
    if (mark === undefined) continue;
    if (
      mark.clusterId !== log.clusterId ||
      (mark.topicId !== log.topicId && mark.topicId !== '' && log.topicId !== '')
    ) {
      throw refuse(facts, 'it belongs to another log; use --log, or fraudstream state rebase');
    }
    if (mark.partitions !== log.partitions) {
      throw refuse(facts, `it was made with ${mark.partitions} partitions; use fraudstream state repartition`);
    }
    const rewritten = mark.lastOffset >= range.start && mark.lastHash !== '' && found !== mark.lastHash;
    if (rewritten && mark.lastOffset < range.end) {
      throw refuse(facts, `record ${mark.lastOffset} is another one than before: the log was written anew; use --log`);
    }
  }
}

function targetOf(facts: Facts, asked: number | null): number {
  const to = asked ?? facts.committed?.offset ?? null;
  if (to === null) throw refuse(facts, `there is no position; say --to ${nextUndecided(facts)}, where the output ends`);
  inRange(facts, to);
  return to;
}

function inRange({ range, ...facts }: Facts, offset: number): void {
  if (offset >= range.start && offset <= range.end) return;
  throw refuse({ ...facts, range }, `the log holds ${range.start} to ${range.end}: it cannot go on at ${offset}`);
}

function knownPosition({ committed }: Facts): Position | null {
  return committed !== null && typeof committed.position === 'object' ? committed.position : null;
}

/** Behind the last record that has an output. */
function nextOutput({ output }: Facts): number {
  return Math.max(output.lastDecision ?? -1, output.lastDeadLetter ?? -1) + 1;
}

/** The first record that nobody has decided, as far as position, output and state tell. */
function nextUndecided(facts: Facts): number {
  return Math.max(nextOutput(facts), knownPosition(facts)?.offset ?? facts.state.watermark ?? 0);
}

function withState(facts: Facts, to: number, says: readonly string[]): { dropsState: boolean; says: string[] } {
  const reach = Math.max(facts.state.watermark ?? -1, facts.state.flushing ?? -1);
  const ahead = reach > to;
  return {
    dropsState: ahead,
    says: [...says, ...(ahead ? [`the state reaches ${reach}: it is dropped, and built anew at the next start`] : [])],
  };
}

function positionAt(facts: Facts, offset: number, acceptedTo: number, options: AcceptOptions): Position {
  const { log, output } = facts;
  const known = knownPosition(facts);
  const mark: LogMark = {
    clusterId: log.clusterId,
    topicId: log.topicId,
    partitions: log.partitions,
    delivery: known?.mark.delivery ?? options.delivery,
    lastOffset: -1,
    lastHash: '',
  };
  return {
    offset,
    mark,
    lastDecision: output.lastDecision !== null && output.lastDecision < offset ? output.lastDecision : -1,
    origin: Math.min(known?.origin ?? 0, offset),
    fingerprint: known?.fingerprint ?? options.fingerprint,
    acceptedTo,
    poison: known?.poison ?? [],
  };
}

function refuse({ key }: Facts, detail: string): FraudstreamError {
  return new FraudstreamError('FS_CONFIG_INVALID', `${key.topic}/${key.partition}: ${detail}`);
}
