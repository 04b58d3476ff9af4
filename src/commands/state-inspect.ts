import { decodeHistory } from '../state/blob-decode.ts';
import { userKey } from '../state/entity-keys.ts';
import { EventView } from '../state/event-view.ts';
import type { UserHistory } from '../state/history.ts';
import { safeJson } from '../observability/terminal.ts';
import type { StateSession } from './state-session.ts';
import { eventRows, inspectJson, renderEvents, renderInspect } from './state-view.ts';

/** `state inspect`: exit code 1 when a partition would be stopped. Changes nothing, fences nobody. */
export async function inspect(session: StateSession): Promise<number> {
  const { settings, stdout } = session.context;
  const user = settings['state.user'];
  let halted = 0;
  for (const partition of session.partitions) {
    const facts = await session.factsOf(partition);
    const verdict = session.verdictOn(facts);
    if ('halt' in verdict) halted++;
    const history = user === null ? null : await historyOf(session, partition, user, facts.state.fingerprint);
    if (user !== null && history === null && session.partitions.length > 1) continue;
    if (settings['state.json']) {
      const shown = user === null ? {} : { user_events: history === null ? null : eventRows(history) };
      stdout.write(`${safeJson({ ...inspectJson(facts, verdict), ...shown })}\n`);
    } else {
      stdout.write(renderInspect(facts, verdict));
      if (user !== null) stdout.write(history === null ? '  history   none\n' : renderEvents(history));
    }
  }
  return halted === 0 ? 0 : 1;
}

async function historyOf(
  session: StateSession,
  partition: number,
  user: string,
  fingerprint: string | null,
): Promise<UserHistory | null> {
  const { layout } = session.plan;
  const { blobs } = await (await session.storeOf(partition)).load([userKey(user)]);
  const blob = blobs[0] ?? null;
  if (blob === null) return null;
  if (fingerprint !== layout.fingerprint) {
    session.context.stderr.write('the histories were kept by another catalogue; use the one that wrote them\n');
    return null;
  }
  return decodeHistory(blob, layout, new EventView(layout));
}
