import type { Facts } from '../delivery/facts.ts';
import type { Position } from '../delivery/position.ts';
import { FraudstreamError } from '../domain/errors.ts';
import { planAccept, type Acceptance, type AcceptPlan } from './state-accept-plan.ts';
import { NO_STATE } from '../state/store.ts';
import { markAt } from './state-fold.ts';
import type { Report } from './state-report.ts';
import type { StateSession } from './state-session.ts';

/** `state accept`: writes a position that acquisition can go on from, after an operator has said what it means. */
export async function accept(session: StateSession, report: Report): Promise<number> {
  const acceptance = acceptanceOf(session);
  if (typeof acceptance === 'string') {
    session.context.stderr.write(`fraudstream state accept: ${acceptance}\n`);
    return 2;
  }
  const plans: { partition: number; facts: Facts; plan: AcceptPlan }[] = [];
  for (const partition of session.partitions) {
    const facts = await session.factsOf(partition);
    const plan = isNeedless(session, facts, acceptance) ? null : await planOf(session, facts, acceptance);
    if (plan === null) report.say(partition, 'nothing to accept', { nothing: true });
    else plans.push({ partition, facts, plan });
  }
  for (const { partition, facts, plan } of plans) {
    if (report.applies) await apply(session, partition, facts, plan);
    for (const text of plan.says) report.say(partition, text);
    report.done(partition, `position ${plan.position.offset}`, {
      position: plan.position,
      drops_state: plan.dropsState,
    });
  }
  return 0;
}

/** Without an offset this repairs what is stopped, and leaves alone what is not. */
function isNeedless(session: StateSession, facts: Facts, acceptance: Acceptance): boolean {
  if (acceptance.kind === 'delivery') return false;
  const asked = acceptance.kind === 'log' ? acceptance.from : acceptance.to;
  return asked === null && 'start' in session.verdictOn(facts);
}

/** The plan with its mark, after a look at what acquisition would say of it. */
async function planOf(session: StateSession, facts: Facts, acceptance: Acceptance): Promise<AcceptPlan | null> {
  const { settings } = session.context;
  const plan = planAccept(facts, acceptance, {
    delivery: settings.delivery,
    fingerprint: session.plan.layout.fingerprint,
  });
  if (plan === null) return null;
  const { partition } = facts.key;
  const { delivery } = plan.position.mark;
  const mark =
    acceptance.kind === 'delivery'
      ? plan.position.mark
      : await markAt(session, partition, plan.position.offset, delivery);
  const position: Position = { ...plan.position, mark };
  const verdict = session.verdictOn(
    {
      ...facts,
      committed: { offset: position.offset, position },
      sibling: null,
      recordAtPosition: acceptance.kind === 'delivery' ? facts.recordAtPosition : mark.lastHash || null,
      ...(plan.dropsState ? { state: NO_STATE, note: null, recordAtNote: null } : {}),
    },
    delivery,
  );
  if ('halt' in verdict) {
    throw new FraudstreamError(
      'FS_CONFIG_INVALID',
      `this would not help: ${verdict.halt.message}`,
      {},
      { cause: verdict.halt },
    );
  }
  return { ...plan, position };
}

async function apply(session: StateSession, partition: number, before: Facts, plan: AcceptPlan): Promise<void> {
  await session.fence(partition);
  const facts = await session.factsOf(partition);
  const moved =
    facts.committed?.offset !== before.committed?.offset || facts.output.lastDecision !== before.output.lastDecision;
  if (moved) {
    throw new FraudstreamError(
      'FS_GROUP_ACTIVE',
      `${session.topic}/${partition} has moved meanwhile: somebody still decides; nothing was changed`,
    );
  }
  // The state first: without it, whatever position stands there is one that acquisition can build on, or stops at.
  if (plan.dropsState) await (await session.storeOf(partition)).drop();
  await session.refuseMembers();
  await session.commit(partition, plan.position);
}

function acceptanceOf(session: StateSession): Acceptance | string {
  const { settings, origins } = session.context;
  const asked = {
    skip: settings['state.skip'],
    redecide: settings['state.redecide'],
    log: settings['state.log'],
    delivery: origins.get('delivery') === '--delivery',
  };
  const kinds = Object.entries(asked).flatMap(([kind, given]) => (given ? [kind] : []));
  const [kind] = kinds;
  if (kind === undefined || kinds.length > 1) return 'say one of --skip, --redecide, --log, --delivery <mode>';
  const { 'state.to': to, 'state.from': from } = settings;
  if (from !== null && kind !== 'log') return '--from goes with --log';
  if (to !== null && kind !== 'skip' && kind !== 'redecide') return '--to goes with --skip or --redecide';
  const one = session.partitions.length === 1;
  if (!one && (to !== null || typeof beginningOf(from) === 'number')) return 'an offset goes with one --partition';
  if (kind === 'skip' || kind === 'redecide') return { kind, to };
  if (kind === 'delivery') return { kind: 'delivery' };
  const begin = beginningOf(from);
  return begin === 'matching'
    ? '--from matching goes with rebase, which keeps the histories'
    : { kind: 'log', from: begin };
}

export type Beginning = 'earliest' | 'latest' | 'matching' | number;

/** As the option's pattern has it. */
export function beginningOf(from: string | null): Beginning | null {
  return from === null || from === 'earliest' || from === 'latest' || from === 'matching' ? from : Number(from);
}
