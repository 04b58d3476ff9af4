import type { Facts } from '../delivery/facts.ts';
import type { LogIdentity } from '../domain/log-mark.ts';
import { escapeText } from '../observability/terminal.ts';
import type { UserHistory } from '../state/history.ts';
import type { Verdict } from './state-session.ts';

/** What `state` prints. Ids of clusters and topics come from brokers: they are escaped like all that comes from outside. */

export interface EventRow {
  readonly event_time: string;
  readonly amount_minor: number;
  /** null: the details of this event are gone; below 0: of an earlier log or partition */
  readonly offset: number | null;
  /** hash as it is stored; null: the payment had none, or its details are gone */
  readonly merchant_hash: string | null;
}

/** One object of `state inspect --json`. */
export function inspectJson(facts: Facts, verdict: Verdict): Record<string, unknown> {
  const { key, range, log, committed, output, state, note } = facts;
  const position = committed !== null && typeof committed.position === 'object' ? committed.position : null;
  return {
    topic: key.topic,
    partition: key.partition,
    position:
      committed === null
        ? null
        : { offset: committed.offset, written_by: typeof committed.position === 'object' ? 'us' : committed.position },
    position_detail: position,
    output,
    state: { ...state, note: note ?? state.note },
    log: { ...log, ...range },
    lag: committed === null ? null : Math.max(0, range.end - committed.offset),
    tail: committed === null || state.watermark === null ? null : committed.offset - state.watermark,
    verdict:
      'halt' in verdict
        ? { ok: false, code: verdict.halt.code, reason: verdict.halt.message }
        : {
            ok: true,
            decides_from: verdict.start.position.offset,
            folds_from: verdict.start.readFrom,
            rebuilt: verdict.start.rebuilt,
            warnings: verdict.start.warnings,
          },
  };
}

/** A few lines per partition. */
export function renderInspect(facts: Facts, verdict: Verdict): string {
  const { key, range, log, committed, output, state, note } = facts;
  const lines = [`${key.topic}/${key.partition}`];
  const line = (name: string, text: string): void => void lines.push(`  ${name.padEnd(9)} ${escapeText(text, 2_000)}`);
  line('log', `${range.start} to ${range.end}, ${identityText(log)}${log.compacted ? ', compacted' : ''}`);
  if (committed === null) line('position', 'none');
  else if (typeof committed.position === 'string') {
    const who = committed.position === 'newer' ? 'a newer version of fraudstream' : 'somebody else';
    line('position', `${committed.offset}, written by ${who}; lag ${Math.max(0, range.end - committed.offset)}`);
  } else {
    const { mark, lastDecision, origin, acceptedTo, poison, offset } = committed.position;
    const more = [
      mark.delivery,
      `last decision ${numberText(lastDecision)}`,
      `lag ${Math.max(0, range.end - offset)}`,
      ...(origin > 0 ? [`the fold begins at ${origin}`] : []),
      ...(acceptedTo >= 0 ? [`output up to ${acceptedTo} was accepted`] : []),
      ...(poison.length > 0 ? [`put aside: ${poison.join(' ')}`] : []),
      identityText(mark),
    ];
    line('position', `${offset}, ${more.join(', ')}`);
  }
  line(
    'output',
    output.untouched
      ? 'never written'
      : `last decision ${numberText(output.lastDecision ?? -1)}, last dead letter ${numberText(output.lastDeadLetter ?? -1)}`,
  );
  if (state.watermark === null) line('state', 'none');
  else {
    const tail = committed === null ? '' : `, tail ${committed.offset - state.watermark}`;
    const since =
      note === null
        ? `, its note cannot be read`
        : note.knownSinceMs === 0
          ? ', complete from the beginning'
          : `, complete since ${timeText(note.knownSinceMs)}`;
    line('state', `reaches ${state.watermark}${tail}${since}, layout ${state.fingerprint ?? ''}`);
  }
  if ('halt' in verdict) line('verdict', `STOPPED [${verdict.halt.code}] ${verdict.halt.message}`);
  else {
    const { position, readFrom, rebuilt, warnings } = verdict.start;
    const fold = position.offset > readFrom ? `; folds ${readFrom} to ${position.offset - 1} before` : '';
    line('verdict', `goes on at ${position.offset}${fold}${rebuilt === '' ? '' : `; state is built anew: ${rebuilt}`}`);
    for (const warning of warnings) line('warning', warning);
  }
  return `${lines.join('\n')}\n`;
}

/** Newest last. No card, no merchant in clear: the state has none. */
export function eventRows(history: UserHistory): EventRow[] {
  const { rows, dictionary, layout, detailStart } = history;
  const merchant = layout.fields.indexOf('merchant_id');
  const result: EventRow[] = [];
  for (let row = rows.start; row < rows.end; row++) {
    const detailed = row >= detailStart;
    const entry = detailed && merchant >= 0 ? rows.entry(row, merchant) : 0;
    result.push({
      event_time: timeText(rows.timeMs(row)),
      amount_minor: rows.amountMinor(row),
      offset: detailed ? rows.offset(row) : null,
      merchant_hash: entry === 0 ? null : dictionary.hashOf(entry).toString(16).padStart(8, '0'),
    });
  }
  return result;
}

export function renderEvents(history: UserHistory): string {
  const rows = eventRows(history).map(
    ({ event_time, amount_minor, offset, merchant_hash }) =>
      `    ${event_time} ${String(amount_minor).padStart(12)}  offset ${offset ?? '-'}  merchant ${merchant_hash ?? '-'}\n`,
  );
  const compacted = history.panes.length > 0 ? `    ${history.panes.length} totals of older payments\n` : '';
  return `  history   ${rows.length} payments, last offset ${numberText(history.lastOffset)}\n${compacted}${rows.join('')}`;
}

export function identityText({ clusterId, topicId, partitions }: LogIdentity): string {
  return `cluster ${clusterId}, topic id ${topicId === '' ? 'unknown' : topicId}, ${partitions} partitions`;
}

function numberText(offset: number): string {
  return offset < 0 ? 'none' : String(offset);
}

function timeText(ms: number): string {
  return Number.isFinite(ms) && Math.abs(ms) < 8.64e15 ? new Date(ms).toISOString() : 'unknown';
}
