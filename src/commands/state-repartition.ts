import type { Facts } from '../delivery/facts.ts';
import type { Position } from '../delivery/position.ts';
import { encodeNote } from '../delivery/state-note.ts';
import { FraudstreamError } from '../domain/errors.ts';
import { installStage, stageHistories, type RekeyCounts } from '../state/rekey.ts';
import type { PartitionStore } from '../state/store.ts';
import { partitionOf } from '../transport/kafka/murmur2.ts';
import { foldLog, markAt, recordsOf } from './state-fold.ts';
import {
  planRepartition,
  positionOf,
  repartitionMarkerOf,
  type RepartitionMarker,
  type RepartitionPlan,
} from './state-repartition-plan.ts';
import type { Report } from './state-report.ts';
import type { StateSession } from './state-session.ts';

/**
 * `state repartition`: partitions were added, so users have moved. Every history is staged beside the real state, where its user is now; then
 * partition by partition the state is replaced and the position written with the new count. Cut short, it goes on.
 */
export async function repartition(session: StateSession, report: Report): Promise<number> {
  const { identity, plan: catalogue } = session;
  if (session.context.settings['state.partition'].length > 0) {
    session.context.stderr.write('fraudstream state repartition: takes all partitions, not some\n');
    return 2;
  }
  const all = await Promise.all(Array.from({ length: identity.partitions }, (_, p) => session.factsOf(p)));
  const stages = await Promise.all(all.map((_, p) => session.stageOf(String(identity.partitions), p)));
  const marker = repartitionMarkerOf(await stages[0]!.readAttempt());
  const plan = planRepartition(all, identity, catalogue.layout.fingerprint, marker);
  if (plan === null) {
    report.say(0, `all positions have ${identity.partitions} partitions already`, { nothing: true });
    return 0;
  }
  const { from, to, staged, left } = plan;
  if (staged === null) {
    report.say(0, `the topic had ${from} partitions and has ${to}: histories move to where their users are now`);
    for (const facts of all.slice(0, from)) await refuseStrays(session, facts, to);
    for (const facts of all.slice(0, from)) await foldTail(session, facts, from, report);
  } else report.say(0, `goes on where it was cut short: ${left.length} of ${to} partitions are left`);
  if (!report.applies) {
    for (const partition of left) {
      const { offset } = nextPosition(session, all[partition]!, from);
      report.done(partition, `state and position at ${offset}, with ${to} partitions`, { offset, partitions: to });
    }
    return 0;
  }
  const written = staged ?? (await stage(session, all, stages, from, report));
  // Partition 0 comes last: while its position has the old count, nobody takes another one for that of a new application.
  for (const partition of [...left].reverse())
    await install(session, plan, written, all[partition]!, stages[partition]!, report);
  for (const one of stages) await one.drop();
  await stages[0]!.writeAttempt(null);
  return 0;
}

/**
 * Records that wait in a partition which is not that of their user any more must be decided before their history leaves. Throws
 * FS_PARTITIONS_CHANGED.
 */
async function refuseStrays(session: StateSession, facts: Facts, to: number): Promise<void> {
  const { partition, topic } = facts.key;
  const from = positionOf(facts)?.offset ?? facts.range.start;
  let strays = 0;
  let first = -1;
  for await (const batch of recordsOf(session, partition, from, facts.range.end)) {
    for (const { key, offset } of batch) {
      if (key === null || partitionOf(key, to) === partition) continue;
      if (strays++ === 0) first = offset;
    }
  }
  if (strays === 0) return;
  const detail = `${topic}/${partition} has ${strays} undecided records, from ${first} on, of users who are in other partitions now; decide them with the old count first: fraudstream run --kafka-partitions <old count>`;
  throw new FraudstreamError('FS_PARTITIONS_CHANGED', detail, { topic, partition, offset: first });
}

/** What was decided and not flushed. */
async function foldTail(session: StateSession, facts: Facts, from: number, report: Report): Promise<void> {
  const { partition } = facts.key;
  const position = positionOf(facts);
  const { watermark } = facts.state;
  if (position === null || watermark === null || watermark === position.offset) return;
  report.say(partition, `records ${watermark} to ${position.offset - 1} are folded first`);
  if (!report.applies) return;
  await session.fence(partition);
  await foldLog(session, {
    partition,
    store: await session.storeOf(partition),
    watermark,
    from: watermark,
    to: position.offset,
    mark: { ...position.mark, partitions: from },
    knownSinceMs: facts.note!.knownSinceMs,
    poison: position.poison,
  });
}

async function stage(
  session: StateSession,
  all: readonly Facts[],
  stages: readonly PartitionStore[],
  from: number,
  report: Report,
): Promise<RepartitionMarker> {
  const { layout } = session.plan;
  const to = stages.length;
  await stages[0]!.writeAttempt(null);
  const sources = await Promise.all(
    all.slice(0, from).map(async (_, partition) => ({ partition, store: await session.storeOf(partition) })),
  );
  for (const { partition } of sources) await session.fence(partition);
  const counts: RekeyCounts = await stageHistories(sources, stages, {
    layout,
    targetOf: (user) => partitionOf(Buffer.from(user), to),
    isShifted: (source, target) => source !== target,
  });
  const states = await Promise.all(sources.map(({ store }) => store.readState()));
  const marker: RepartitionMarker = {
    from,
    to,
    watermarks: states.map(({ watermark }) => watermark),
    knownSinceMs: Math.max(0, ...all.slice(0, from).map(({ note }) => note?.knownSinceMs ?? 0)),
  };
  await stages[0]!.writeAttempt(JSON.stringify(marker));
  report.say(0, `${counts.users} histories staged, ${counts.moved} taken out of their log, ${counts.merged} joined`);
  return marker;
}

async function install(
  session: StateSession,
  plan: RepartitionPlan,
  marker: RepartitionMarker,
  facts: Facts,
  staged: PartitionStore,
  report: Report,
): Promise<void> {
  const { partition } = facts.key;
  const { fingerprint } = session.plan.layout;
  await session.fence(partition);
  const wanted = nextPosition(session, facts, plan.from);
  const mark = await markAt(session, partition, wanted.offset, wanted.mark.delivery);
  const note = encodeNote({ mark, knownSinceMs: marker.knownSinceMs });
  const real = await session.storeOf(partition);
  const { users } = await installStage(staged, real, { watermark: wanted.offset, fingerprint, note });
  await session.refuseMembers();
  await session.commit(partition, { ...wanted, mark });
  report.done(partition, `state and position at ${wanted.offset}, ${users} histories`, {
    offset: wanted.offset,
    users,
  });
}

/** −1 is the first record too, and says that there was something before it. */
export function beginningAt(offset: number): number {
  return offset === 0 ? -1 : offset;
}

/** Old partitions go on where they were, new ones begin where their log does. */
function nextPosition({ identity, context, plan }: StateSession, facts: Facts, from: number): Position {
  const { clusterId, topicId, partitions } = identity;
  const old = facts.key.partition < from ? positionOf(facts) : null;
  const offset = old?.offset ?? facts.range.start;
  const delivery = old?.mark.delivery ?? context.settings.delivery;
  return {
    offset,
    mark: { clusterId, topicId, partitions, delivery, lastOffset: -1, lastHash: '' },
    lastDecision: old?.lastDecision ?? -1,
    // Histories that moved in are not in this log: a state that is built anew begins here, and says so.
    origin: beginningAt(offset),
    fingerprint: plan.layout.fingerprint,
    acceptedTo: old?.acceptedTo ?? -1,
    poison: old?.poison ?? [],
  };
}
