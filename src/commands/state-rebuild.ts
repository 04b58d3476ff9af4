import type { Acquisition } from '../delivery/acquisition.ts';
import type { Facts } from '../delivery/facts.ts';
import { FraudstreamError } from '../domain/errors.ts';
import { NO_STATE } from '../state/store.ts';
import { foldLog } from './state-fold.ts';
import type { Report } from './state-report.ts';
import type { StateSession } from './state-session.ts';

/** `state rebuild`: drops the state and folds it from the log to the position, so that a start has nothing left to fold. */
export async function rebuild(session: StateSession, report: Report): Promise<number> {
  const jobs: { partition: number; start: Acquisition; facts: Facts }[] = [];
  for (const partition of session.partitions) {
    const facts = await session.factsOf(partition);
    if (facts.committed === null && facts.state.watermark === null) {
      report.say(partition, 'has no position and no state: nothing to rebuild', { nothing: true });
      continue;
    }
    jobs.push({ partition, facts, start: startWithoutState(session, facts) });
  }
  for (const { partition, start, facts } of jobs) {
    const { offset } = start.position;
    const { range } = facts;
    report.say(partition, `the state is dropped, records ${start.readFrom} to ${offset - 1} are folded anew`);
    if (start.readFrom > 0) {
      const gone = range.start > 0 ? `the log begins at ${range.start}` : `the fold begins at ${start.readFrom}`;
      report.say(partition, `${gone}: what was before is lost, and features that reach back to it say exact: false`);
    }
    const fields = { from: start.readFrom, to: offset };
    if (!report.applies) {
      report.done(partition, `state at ${offset}`, fields);
      continue;
    }
    const { records } = await rebuildOne(session, partition, start);
    report.done(partition, `state at ${offset}, ${records} records folded`, { ...fields, records });
  }
  return 0;
}

async function rebuildOne(session: StateSession, partition: number, start: Acquisition): Promise<{ records: number }> {
  const { position } = start;
  await session.fence(partition);
  const store = await session.storeOf(partition);
  await store.drop();
  return foldLog(session, {
    partition,
    store,
    watermark: null,
    from: start.readFrom,
    to: position.offset,
    mark: position.mark,
    knownSinceMs: start.knownSinceMs ?? Number.NaN,
    poison: position.poison,
  });
}

/** Throws what acquisition would stop at even without a state. */
function startWithoutState(session: StateSession, facts: Facts): Acquisition {
  const verdict = session.verdictOn({ ...facts, state: NO_STATE, note: null, recordAtNote: null });
  if ('halt' in verdict) throw verdict.halt;
  if (facts.committed === null) {
    const where = `${facts.key.topic}/${facts.key.partition}`;
    throw new FraudstreamError('FS_POSITION_LOST', `${where} has no position: nothing says up to where to fold`);
  }
  return verdict.start;
}

/** `state drop`: removes the state; the next start rebuilds it. */
export async function drop(session: StateSession, report: Report): Promise<number> {
  for (const partition of session.partitions) {
    const store = await session.storeOf(partition);
    const { watermark } = await store.readState();
    const rest = watermark === null ? 'what is left of the state' : `the state, which reaches ${watermark},`;
    report.say(partition, `${rest} is removed; the next start folds it again from the log`);
    if (report.applies) {
      await session.fence(partition);
      await store.drop();
    }
    report.done(partition, 'no state', { watermark });
  }
  return 0;
}
