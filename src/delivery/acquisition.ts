import type { Delivery, LogIdentity, LogMark } from '../domain/log-mark.ts';
import { FraudstreamError, type ErrorCode } from '../domain/errors.ts';
import type { Facts } from './facts.ts';
import type { Position } from './position.ts';

/** Where to begin when nothing was ever committed. */
export type StartPolicy = 'earliest' | 'latest' | 'fail';

export interface AcquisitionOptions {
  readonly delivery: Delivery;
  /** layout fingerprint of the state that this process keeps */
  readonly fingerprint: string;
  readonly startPolicy: StartPolicy;
}

export interface Acquisition {
  /** from where on decisions are made: all that the output must say of what lies before */
  readonly position: Position;
  /** watermark of the state to start from; null = from nothing: the store is emptied first */
  readonly watermark: number | null;
  readonly readFrom: number;
  /** of the state that is kept; null = to be told from the first record that is folded */
  readonly knownSinceMs: number | null;
  /** why state is built anew; '' when it is not, or when there never was any */
  readonly rebuilt: string;
  /** what an operator should know, though it stops nothing */
  readonly warnings: readonly string[];
}

/**
 * Compares what the ledger, the output, the state and the log say of a partition, and decides where to go on. State is a fold
 * of the log: behind the position it is folded on, without it, it is built anew. Whatever does not fit together otherwise
 * halts the partition before the first wrong decision: the error names the records concerned and the command. Pure.
 *
 * Throws FS_INPUT_COMPACTED, FS_POSITION_FOREIGN, FS_POSITION_LOST, FS_DELIVERY_CHANGED, FS_LOG_CHANGED, FS_PARTITIONS_CHANGED,
 * FS_OFFSET_OUT_OF_RANGE, FS_OUTPUT_MISMATCH, FS_STATE_AHEAD.
 */
export function planAcquisition(facts: Facts, options: AcquisitionOptions): Acquisition {
  if (facts.log.compacted) {
    throw halt(facts, 'FS_INPUT_COMPACTED', `set cleanup.policy of ${facts.key.topic} to delete`);
  }
  checkIdentities(facts);
  const warnings: string[] = [];
  const position = positionOf(facts, options);
  if (facts.committed !== null) {
    checkDelivery(facts, position, options.delivery);
    checkOutputReach(facts, position, options.delivery);
  }
  checkStateReach(facts, position);
  // Behind those two: records that seem to have been deleted before they were decided may only be those of a position that is too old.
  checkRange(facts, position);
  if (facts.committed !== null) {
    checkRecord(facts, position.mark, facts.recordAtPosition, 'position');
    checkOutputEnd(facts, position, warnings);
  }
  return { position, warnings, ...stateOf(facts, position, options, warnings) };
}

function positionOf(facts: Facts, options: AcquisitionOptions): Position {
  const { committed, state, output, range } = facts;
  const who = nameOf(facts);
  if (committed !== null) {
    if (typeof committed.position === 'object') return committed.position;
    if (committed.position === 'newer') {
      throw halt(facts, 'FS_POSITION_FOREIGN', `${who} was committed by a newer version of fraudstream: run that one`);
    }
    throw halt(facts, 'FS_POSITION_FOREIGN', foreign(facts, committed.offset), committed.offset);
  }
  const decided = Math.max(output.lastDecision ?? -1, output.lastDeadLetter ?? -1);
  const folded = reachOf(state);
  if (folded >= 0 || decided >= 0 || !output.untouched) {
    const known = [
      folded < 0 ? '' : `its state reaches ${folded}`,
      decided < 0 ? (output.untouched ? '' : 'its output was written before') : `its output reaches input ${decided}`,
    ].filter((text) => text !== '');
    const next = Math.max(decided + 1, decided < 0 ? (folded < 0 ? range.start : folded) : 0);
    const detail = `${who} has no position, but ${known.join(' and ')}; to go on at ${next}: ${accept(facts, `--skip --to ${next}`)}`;
    throw halt(facts, 'FS_POSITION_LOST', detail);
  }
  return firstPosition(facts, options);
}

function firstPosition(
  { key, range, log }: Facts,
  { startPolicy, delivery, fingerprint }: AcquisitionOptions,
): Position {
  if (startPolicy === 'fail') {
    throw new FraudstreamError(
      'FS_OFFSET_OUT_OF_RANGE',
      `${key.topic}/${key.partition} has no position and kafka.from is fail; choose earliest or latest`,
      { topic: key.topic, partition: key.partition },
    );
  }
  const offset = startPolicy === 'latest' ? range.end : range.start;
  const { clusterId, topicId, partitions } = log;
  const mark: LogMark = { clusterId, topicId, partitions, delivery, lastOffset: -1, lastHash: '' };
  return { offset, mark, lastDecision: -1, origin: offset, fingerprint, acceptedTo: -1, poison: [] };
}

/** Somebody has set the offset: what would be left out, or decided again? */
function foreign(facts: Facts, offset: number): string {
  const { output, state } = facts;
  const next = Math.max((output.lastDecision ?? -1) + 1, (output.lastDeadLetter ?? -1) + 1, reachOf(state), 0);
  const who = `${nameOf(facts)} was set to ${offset} by somebody else`;
  if (offset > next) {
    return `${who}: records ${next} to ${offset - 1} would never be decided; to leave them out: ${accept(facts, '--skip')}; to decide them: ${accept(facts, `--redecide --to ${next}`)}`;
  }
  if (offset < next) {
    return `${who}: records ${offset} to ${next - 1} would be decided again; to do that: ${accept(facts, '--redecide')}; to go on behind them: ${accept(facts, `--skip --to ${next}`)}`;
  }
  return `${who}, where the output ends; to go on there: ${accept(facts, '--skip')}`;
}

function checkIdentities(facts: Facts): void {
  const marks: [string, string, LogMark][] = [];
  const { topic } = facts.key;
  const { committed, sibling, note, log } = facts;
  if (typeof committed?.position === 'object') marks.push(['position', nameOf(facts), committed.position.mark]);
  if (typeof sibling?.position === 'object') marks.push(['position', `${topic}/0`, sibling.position.mark]);
  if (note !== null) marks.push(['state', nameOf(facts), note.mark]);
  for (const [what, who, mark] of marks) {
    const changed = difference(mark, log);
    if (changed === 'partitions') {
      const detail = `${topic} has ${log.partitions} partitions, the ${what} of ${who} was made with ${mark.partitions}; to move the histories: fraudstream state repartition`;
      throw halt(facts, 'FS_PARTITIONS_CHANGED', detail);
    }
    if (changed !== null) {
      const detail = `the ${what} of ${who} belongs to ${changed}; to begin anew in this log: ${accept(facts, '--log')}; to keep the histories: fraudstream state rebase --partition ${facts.key.partition}`;
      throw halt(facts, 'FS_LOG_CHANGED', detail);
    }
  }
}

function difference(mark: LogIdentity, log: LogIdentity): string | null {
  if (mark.clusterId !== log.clusterId) return `cluster ${mark.clusterId}, this is ${log.clusterId}`;
  if (mark.topicId !== '' && log.topicId !== '' && mark.topicId !== log.topicId) {
    return `topic id ${mark.topicId}, this one is ${log.topicId}: the topic was made anew`;
  }
  return mark.partitions === log.partitions ? null : 'partitions';
}

function checkRange(facts: Facts, { offset }: Position): void {
  const { start, end } = facts.range;
  if (offset >= start && offset <= end) return;
  const why =
    offset < start
      ? `records ${offset} to ${start - 1} were deleted before they were decided; to leave them out: ${accept(facts, `--skip --to ${start}`)}`
      : `records ${end} to ${offset - 1} were decided and are gone: the log was truncated; to go on at its end: ${accept(facts, '--log')}`;
  throw halt(
    facts,
    'FS_OFFSET_OUT_OF_RANGE',
    `${nameOf(facts)} is at ${offset}, the log holds ${start} to ${end}: ${why}`,
    offset,
  );
}

function checkDelivery(facts: Facts, { mark }: Position, delivery: Delivery): void {
  if (mark.delivery === delivery) return;
  const detail = `${nameOf(facts)} was committed with delivery ${mark.delivery}, this process has ${delivery}; stop all members of the group, then: ${accept(facts, `--delivery ${delivery}`)}`;
  throw halt(facts, 'FS_DELIVERY_CHANGED', detail);
}

function checkRecord(facts: Facts, mark: LogMark, found: string | null, what: string): void {
  // A record that retention has removed proves nothing any more; the identity of the topic does.
  if (mark.lastOffset < facts.range.start || mark.lastHash === '' || found === mark.lastHash) return;
  const detail = `record ${mark.lastOffset} of ${nameOf(facts)} is ${found === null ? 'gone' : 'another one'} than when the ${what} was written: the log was truncated and written anew; to begin anew in this log: ${accept(facts, '--log')}`;
  throw halt(facts, 'FS_LOG_CHANGED', detail, mark.lastOffset);
}

/** The output is an independent witness of the position: an offset that was read too old, or lost, shows here. */
function checkOutputReach(facts: Facts, { offset, acceptedTo }: Position, delivery: Delivery): void {
  const { output } = facts;
  const who = nameOf(facts);
  const ahead = Math.max(output.lastDecision ?? -1, output.lastDeadLetter ?? -1, output.lastFlagged ?? -1);
  if (delivery === 'exactly-once' && output.firstOpen !== null && output.firstOpen < offset) {
    const detail = `${who} is at ${offset}, but output of input ${output.firstOpen} waits for the end of its transaction, and readers wait with it: see kafka-transactions.sh find-hanging`;
    throw halt(facts, 'FS_OUTPUT_MISMATCH', detail, offset);
  }
  if (delivery === 'exactly-once' && ahead >= offset && ahead > acceptedTo) {
    const detail = `${who} is at ${offset}, but its output reaches input ${ahead}: the position was lost, or read too old; to go on behind the output: ${accept(facts, `--skip --to ${ahead + 1}`)}; to decide ${offset} to ${ahead} again: ${accept(facts, '--redecide')}`;
    throw halt(facts, 'FS_OUTPUT_MISMATCH', detail, offset);
  }
}

function checkOutputEnd(facts: Facts, { lastDecision, offset }: Position, warnings: string[]): void {
  const { output } = facts;
  const who = nameOf(facts);
  if (output.lastDecision === null) {
    if (lastDecision < 0) return;
    if (!output.untouched) {
      warnings.push(`the output of ${who} was deleted by retention: it cannot witness the position`);
      return;
    }
    const detail = `${who} has decided up to ${lastDecision}, and its output is empty: the topic of decisions was made anew, or is another one; to go on there: ${accept(facts, '--skip')}`;
    throw halt(facts, 'FS_OUTPUT_MISMATCH', detail);
  }
  if (output.lastDecision < lastDecision) {
    const detail = `${who} has decided up to ${lastDecision}, but its output ends with input ${output.lastDecision}: decisions ${output.lastDecision + 1} to ${lastDecision} were lost; to make them again: ${accept(facts, `--redecide --to ${output.lastDecision + 1}`)}; to go on without them: ${accept(facts, '--skip')}`;
    throw halt(facts, 'FS_OUTPUT_MISMATCH', detail, offset);
  }
}

function stateOf(
  facts: Facts,
  position: Position,
  { fingerprint }: AcquisitionOptions,
  warnings: string[],
): Pick<Acquisition, 'watermark' | 'readFrom' | 'knownSinceMs' | 'rebuilt'> {
  const { state, note, range } = facts;
  const { watermark } = state;
  const anew = (rebuilt: string): ReturnType<typeof stateOf> => {
    const readFrom = Math.min(position.offset, Math.max(position.origin, range.start));
    return { watermark: null, readFrom, knownSinceMs: readFrom === 0 && position.origin === 0 ? 0 : null, rebuilt };
  };
  // Where nothing was decided yet, there never was any.
  if (watermark === null) return anew(position.offset === position.origin ? '' : 'there is none');
  if (state.fingerprint !== fingerprint) return anew('the catalogue keeps other fields now');
  if (note === null) return anew('its note cannot be read');
  checkRecord(facts, note.mark, facts.recordAtNote, 'state');
  if (watermark >= range.start) return { watermark, readFrom: watermark, knownSinceMs: note.knownSinceMs, rebuilt: '' };
  warnings.push(`records ${watermark} to ${range.start - 1} of ${nameOf(facts)} are gone before they were folded`);
  return { watermark, readFrom: range.start, knownSinceMs: null, rebuilt: '' };
}

/** How far histories may reach; -1 = there are none. */
function reachOf({ watermark, flushing }: Facts['state']): number {
  return Math.max(watermark ?? -1, flushing ?? -1);
}

function checkStateReach(facts: Facts, { offset }: Position): void {
  const reach = reachOf(facts.state);
  if (reach <= offset) return;
  const detail = `the state of ${nameOf(facts)} reaches ${reach}, its position is ${offset}; to build the state anew: fraudstream state drop --partition ${facts.key.partition}`;
  throw halt(facts, 'FS_STATE_AHEAD', detail, offset);
}

function nameOf({ key }: Facts): string {
  return `${key.topic}/${key.partition}`;
}

function accept({ key }: Facts, how: string): string {
  return `fraudstream state accept --partition ${key.partition} ${how}`;
}

function halt({ key }: Facts, code: ErrorCode, detail: string, offset?: number): FraudstreamError {
  const place = { topic: key.topic, partition: key.partition };
  return new FraudstreamError(code, detail, offset === undefined ? place : { ...place, offset });
}
