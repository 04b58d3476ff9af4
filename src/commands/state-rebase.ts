import type { Facts } from '../delivery/facts.ts';
import type { Position } from '../delivery/position.ts';
import { hashOf } from '../delivery/record-hash.ts';
import { decodeNote, encodeNote, type StateNote } from '../delivery/state-note.ts';
import { FraudstreamError } from '../domain/errors.ts';
import type { LogIdentity } from '../domain/log-mark.ts';
import { installStage, stageHistories } from '../state/rekey.ts';
import type { PartitionStore } from '../state/store.ts';
import { beginningOf, type Beginning } from './state-accept.ts';
import { beginningAt } from './state-repartition.ts';
import { markAt, recordsOf } from './state-fold.ts';
import type { Report } from './state-report.ts';
import type { StateSession } from './state-session.ts';
import { identityText } from './state-view.ts';

const STAGE = 'rebase';

/** Kept as the attempt of the stage while its histories are whole. */
interface Marker {
  readonly to: LogIdentity;
  /** note of the state that was staged */
  readonly note: string;
}

interface Job {
  readonly partition: number;
  readonly facts: Facts;
  /** where decisions begin in the new log */
  readonly offset: number;
  /** how far an earlier run of this command came */
  readonly stage: 'nothing' | 'staged' | 'installed';
}

/**
 * `state rebase`: the log is another one (another cluster, a topic that was made anew), the histories are kept. Their offsets
 * become older than any of the new log. May be repeated when it was cut short.
 */
export async function rebase(session: StateSession, report: Report): Promise<number> {
  const from = beginningOf(session.context.settings['state.from']);
  if (from === null) {
    session.context.stderr.write(
      'fraudstream state rebase: --from: is needed: matching, earliest, latest or an offset\n',
    );
    return 2;
  }
  if (typeof from === 'number' && session.partitions.length > 1) {
    session.context.stderr.write('fraudstream state rebase: an offset goes with one --partition\n');
    return 2;
  }
  const jobs: Job[] = [];
  for (const partition of session.partitions) {
    const job = await jobOf(session, partition, from, report);
    if (job !== null) jobs.push(job);
  }
  for (const job of jobs) {
    const { partition, facts, offset, stage } = job;
    const { range, note, state } = facts;
    if (note !== null && stage === 'nothing') {
      report.say(
        partition,
        `histories of ${identityText(note.mark)}, up to ${state.watermark}, are taken out of their log`,
      );
    } else report.say(partition, 'goes on where it was cut short');
    report.say(
      partition,
      `goes on in ${identityText(session.identity)} at ${offset}; the log holds ${range.start} to ${range.end}`,
    );
    if (offset > range.start) {
      const what = from === 'matching' ? 'copies of what was folded before' : 'neither decided nor folded';
      report.say(partition, `records ${range.start} to ${offset - 1} of it are ${what}`);
    }
    const users = report.applies ? await apply(session, job) : null;
    report.done(partition, `position and state at ${offset}`, { offset, ...(users === null ? {} : { users }) });
  }
  return 0;
}

async function jobOf(session: StateSession, partition: number, from: Beginning, report: Report): Promise<Job | null> {
  const facts = await session.factsOf(partition);
  const { state, note, committed } = facts;
  const where = `${facts.key.topic}/${partition}`;
  const marker = markerOf(await (await session.stageOf(STAGE, partition)).readAttempt());
  const staged = marker !== null && isSame(marker.to, session.identity);
  if (note !== null && isSame(note.mark, session.identity)) {
    const position = committed !== null && typeof committed.position === 'object' ? committed.position : null;
    if (position !== null && isSame(position.mark, session.identity)) {
      report.say(partition, 'position and state are of this log already', { nothing: true });
      return null;
    }
    if (!staged) {
      const detail = `${where}: the state is of this log already, only the position is not; use fraudstream state accept`;
      throw new FraudstreamError('FS_CONFIG_INVALID', detail);
    }
    return { partition, facts, offset: state.watermark!, stage: 'installed' };
  }
  // Somebody may have gone on in the old log since it was staged: then its note is another one, and it is staged anew.
  if (staged && (note === null || state.note === marker.note)) {
    return { partition, facts, offset: await offsetOf(session, facts, from, decodeNote(marker.note)), stage: 'staged' };
  }
  if (note === null || state.watermark === null) {
    throw new FraudstreamError(
      'FS_POSITION_LOST',
      `${where} has no state that could be kept; use fraudstream state accept --log`,
    );
  }
  if (state.fingerprint !== session.plan.layout.fingerprint) {
    const detail = `${where}: the histories were kept by another catalogue; use the one that wrote them`;
    throw new FraudstreamError('FS_STATE_LAYOUT', detail);
  }
  if (note.mark.partitions !== session.identity.partitions) {
    const detail = `${where}: the histories were kept with ${note.mark.partitions} partitions, this log has ${session.identity.partitions}; make the topic with as many`;
    throw new FraudstreamError('FS_PARTITIONS_CHANGED', detail);
  }
  return { partition, facts, offset: await offsetOf(session, facts, from, note), stage: 'nothing' };
}

async function offsetOf(session: StateSession, facts: Facts, from: Beginning, note: StateNote | null): Promise<number> {
  const { range, key } = facts;
  if (from === 'matching') return matchingOffset(session, facts, note);
  const offset = from === 'earliest' ? range.start : from === 'latest' ? range.end : from;
  if (offset >= range.start && offset <= range.end) return offset;
  throw new FraudstreamError(
    'FS_CONFIG_INVALID',
    `${key.topic}/${key.partition} holds ${range.start} to ${range.end}: it cannot begin at ${offset}`,
  );
}

/**
 * A copied log (MirrorMaker) has the same records at other offsets: decisions go on behind the one that was folded last. What was
 * decided after it, and not folded, is decided again: at most what waited for a flush. Throws FS_CONFIG_INVALID when it is not there.
 */
async function matchingOffset(session: StateSession, facts: Facts, note: StateNote | null): Promise<number> {
  const { partition, topic } = facts.key;
  const where = `${topic}/${partition}`;
  if (note !== null && note.mark.lastHash !== '') {
    for await (const batch of recordsOf(session, partition, facts.range.start, facts.range.end)) {
      const found = batch.find((record) => hashOf(record) === note.mark.lastHash);
      if (found !== undefined) return found.offset + 1;
    }
  }
  throw new FraudstreamError(
    'FS_CONFIG_INVALID',
    `${where} does not hold the record that the state has seen last; choose earliest, latest or an offset`,
  );
}

async function apply(session: StateSession, { partition, facts, offset, stage: reached }: Job): Promise<number | null> {
  const { layout } = session.plan;
  const stage = await session.stageOf(STAGE, partition);
  const real = await session.storeOf(partition);
  const delivery = session.context.settings.delivery;
  const mark = await markAt(session, partition, offset, delivery);
  await session.fence(partition);
  let users: number | null = null;
  if (reached === 'nothing') {
    const rules = { layout, targetOf: () => 0, isShifted: () => true };
    await stage.writeAttempt(null);
    await stageHistories([{ partition, store: real }], [stage], rules);
    const { clusterId, topicId, partitions } = session.identity;
    const marker: Marker = { to: { clusterId, topicId, partitions }, note: facts.state.note ?? '' };
    await stage.writeAttempt(JSON.stringify(marker));
  }
  if (reached !== 'installed') {
    const marker = markerOf(await stage.readAttempt());
    const knownSinceMs = decodeNote(marker?.note ?? '')?.knownSinceMs ?? 0;
    const record = { watermark: offset, fingerprint: layout.fingerprint, note: encodeNote({ mark, knownSinceMs }) };
    users = (await installStage(stage, real, record)).users;
  }
  const decided = Math.max(facts.output.lastDecision ?? -1, facts.output.lastDeadLetter ?? -1);
  const position: Position = {
    offset,
    mark,
    lastDecision: -1,
    // What was folded in the earlier log cannot be folded again: a state that is built anew begins here, and says so.
    origin: beginningAt(offset),
    fingerprint: layout.fingerprint,
    acceptedTo: decided,
    poison: [],
  };
  await session.refuseMembers();
  await session.commit(partition, position);
  await clear(stage);
  return users;
}

async function clear(stage: PartitionStore): Promise<void> {
  await stage.drop();
  await stage.writeAttempt(null);
}

function isSame(a: LogIdentity, b: LogIdentity): boolean {
  return a.clusterId === b.clusterId && a.topicId === b.topicId;
}

function markerOf(text: string | null): Marker | null {
  if (text === null) return null;
  try {
    const marker = JSON.parse(text) as Partial<Marker> | null;
    return typeof marker?.to?.clusterId === 'string' && typeof marker.note === 'string' ? (marker as Marker) : null;
  } catch {
    return null;
  }
}
