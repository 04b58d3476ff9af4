import type { Facts } from '../delivery/facts.ts';
import { FraudstreamError } from '../domain/errors.ts';
import { escapeText, safeJson } from '../observability/terminal.ts';
import { decodeHistory } from '../state/blob-decode.ts';
import { encodeHistory } from '../state/blob-encode.ts';
import { lastOffsetOf } from '../state/blob-shift.ts';
import { KeyedLayouts } from '../state/entity-keys.ts';
import type { UserHistory } from '../state/history.ts';
import type { Layout } from '../state/layout.ts';
import { MemoryStateStore } from '../state/memory-store.ts';
import type { PartitionStore } from '../state/store.ts';
import { foldLog } from './state-fold.ts';
import type { StateSession } from './state-session.ts';

const DIFFERENT_SHOWN_MAX = 20;

interface Findings {
  /** histories compared */
  users: number;
  same: number;
  /** stored otherwise than the log says */
  differing: string[];
  /** in the log, not in the store */
  missing: string[];
  /** in the store, not in the log */
  unknown: string[];
  /** written after the watermark: a flush is under way, or one was cut short; they are folded again, idempotently */
  ahead: number;
}

/** `state verify`: folds the log and compares every stored history. Exit code 1 when one differs. */
export async function verify(session: StateSession): Promise<number> {
  const { settings, stdout } = session.context;
  let bad = 0;
  for (const partition of session.partitions) {
    const facts = await session.factsOf(partition);
    const where = `${facts.key.topic}/${partition}`;
    const { watermark, fingerprint } = facts.state;
    if (watermark === null || facts.note === null) {
      stdout.write(settings['state.json'] ? `${safeJson({ partition, state: null })}\n` : `${where}: has no state\n`);
      continue;
    }
    if (fingerprint !== session.plan.layout.fingerprint) {
      const detail = `${where}: the histories were kept by another catalogue; use the one that wrote them`;
      throw new FraudstreamError('FS_STATE_LAYOUT', detail);
    }
    const from = Math.max(facts.range.start, originOf(facts));
    const whole = from === 0 && facts.note.knownSinceMs === 0;
    const findings = await compare(session, facts, watermark, from, whole);
    const wrong = findings.differing.length + findings.missing.length + findings.unknown.length;
    if (wrong > 0) bad++;
    if (settings['state.json']) {
      stdout.write(`${safeJson({ partition, watermark, folded_from: from, whole, ok: wrong === 0, ...findings })}\n`);
    } else stdout.write(render(where, watermark, from, whole, findings));
  }
  return bad === 0 ? 0 : 1;
}

async function compare(
  session: StateSession,
  facts: Facts,
  watermark: number,
  from: number,
  whole: boolean,
): Promise<Findings> {
  const { partition, topic } = facts.key;
  const folded = await new MemoryStateStore().open({ topic, partition });
  const position = positionOf(facts);
  await foldLog(session, {
    partition,
    store: folded,
    watermark: null,
    from,
    to: watermark,
    mark: facts.note!.mark,
    knownSinceMs: 0,
    poison: position?.poison ?? [],
  });
  const { layout } = session.plan;
  const findings: Findings = { users: 0, same: 0, differing: [], missing: [], unknown: [], ahead: 0 };
  const seen = new Set<string>();
  const layouts = new KeyedLayouts(layout);
  for await (const some of (await session.storeOf(partition)).scan()) {
    const fresh = some.filter(({ key }) => !seen.has(key));
    const { blobs } = await folded.load(fresh.map(({ key }) => key));
    fresh.forEach(({ key, blob }, k) => {
      seen.add(key);
      if (lastOffsetOf(blob) >= watermark) {
        findings.ahead++;
        return;
      }
      findings.users++;
      const { layout, scratch } = layouts.of(key);
      const stored = decodeHistory(blob, layout, scratch);
      const expected = blobs[k] === null ? null : decodeHistory(blobs[k]!, layout, scratch);
      const partly = !whole || isOfEarlierLog(stored);
      if (expected === null ? partly && lastOffsetOf(blob) < from : isSame(stored, expected, !partly, from))
        findings.same++;
      else if (expected === null) findings.unknown.push(key);
      else findings.differing.push(key);
    });
  }
  await addMissing(folded, seen, layout, session.context.clock.nowMs(), findings);
  return findings;
}

/** What nobody has written for so long that every window is over, the store may have forgotten. */
async function addMissing(
  folded: PartitionStore,
  seen: ReadonlySet<string>,
  layout: Layout,
  nowMs: number,
  findings: Findings,
): Promise<void> {
  const layouts = new KeyedLayouts(layout);
  for await (const some of folded.scan()) {
    for (const { key, blob } of some) {
      if (seen.has(key)) continue;
      const { layout: kept, scratch } = layouts.of(key);
      if (decodeHistory(blob, kept, scratch).newestMs > nowMs - kept.horizonMs) findings.missing.push(key);
    }
  }
}

/** Of a log that does not reach back, only the events that it still has can be compared. */
function isSame(stored: UserHistory, expected: UserHistory, whole: boolean, from: number): boolean {
  if (whole) return Buffer.compare(encodeHistory(stored), encodeHistory(expected)) === 0;
  return eventsSince(stored, from) === eventsSince(expected, from);
}

/** It was moved here from another log or partition, which this log says nothing about. */
function isOfEarlierLog({ rows, detailStart }: UserHistory): boolean {
  for (let row = detailStart; row < rows.end; row++) if (rows.offset(row) < 0) return true;
  return false;
}

function eventsSince({ rows, detailStart }: UserHistory, from: number): string {
  const events: string[] = [];
  for (let row = detailStart; row < rows.end; row++) {
    if (rows.offset(row) < from) continue;
    events.push([rows.offset(row), rows.timeMs(row), rows.amountMinor(row), rows.transactionHash(row)].join(' '));
  }
  return events.join('\n');
}

function originOf(facts: Facts): number {
  return positionOf(facts)?.origin ?? 0;
}

function positionOf({ committed }: Facts) {
  return committed !== null && typeof committed.position === 'object' ? committed.position : null;
}

function render(where: string, watermark: number, from: number, whole: boolean, findings: Findings): string {
  const { users, same, differing, missing, unknown, ahead } = findings;
  const wrong = differing.length + missing.length + unknown.length;
  const lines = [
    wrong === 0
      ? `${where}: ${same} of ${users} histories are what the log says up to ${watermark}`
      : `${where}: ${wrong} histories are NOT what the log says up to ${watermark}; ${same} of ${users} are`,
  ];
  if (!whole) lines.push(`  the log was folded from ${from} on: of older payments nothing could be compared`);
  if (ahead > 0) lines.push(`  ${ahead} histories are newer than the watermark and were not compared`);
  for (const [what, users] of [
    ['differs', differing],
    ['is missing', missing],
    ['is not in the log', unknown],
  ] as const) {
    for (const user of users.slice(0, DIFFERENT_SHOWN_MAX)) lines.push(`  user ${escapeText(user, 128)} ${what}`);
    if (users.length > DIFFERENT_SHOWN_MAX) lines.push(`  … and ${users.length - DIFFERENT_SHOWN_MAX} more: ${what}`);
  }
  if (wrong > 0) lines.push('  to build the state anew: fraudstream state rebuild');
  return `${lines.join('\n')}\n`;
}
