import type { FlaggedTransaction } from '../domain/decision.ts';
import { escapeText } from '../observability/terminal.ts';

export interface FlaggedFilter {
  readonly minScore: number;
  readonly user: string | null;
  /** a reason's code, or a part of it or of its text; upper and lower case are the same */
  readonly reason: string | null;
  /** event time, ms */
  readonly sinceMs: number | null;
}

export function matchesFilter({ decision }: FlaggedTransaction, filter: FlaggedFilter): boolean {
  if (decision.score < filter.minScore) return false;
  if (filter.user !== null && decision.user_id !== filter.user) return false;
  if (filter.sinceMs !== null && decision.event_time < filter.sinceMs) return false;
  if (filter.reason === null) return true;
  const wanted = filter.reason.toLowerCase();
  return decision.reasons.some((reason) => `${reason.code}\n${reason.text}`.toLowerCase().includes(wanted));
}

export interface CaseStyle {
  readonly colour: boolean;
  /** decimals of a currency's minor unit; null when it is none that is known */
  readonly minorUnitDigits: (currency: string) => number | null;
}

/** One case for an analyst: what was decided, the payment, why, and what this user did before. Ends with a new line. */
export function renderCase({ decision, transaction, history }: FlaggedTransaction, style: CaseStyle): string {
  const paint = (code: string, text: string): string => (style.colour ? `\u001b[${code}m${text}\u001b[0m` : text);
  const digits = style.minorUnitDigits(transaction.currency);
  const money = (minor: number): string => formatMoney(minor, digits);
  const verdict = decision.decision === 'BLOCK' ? paint('1;31', 'BLOCK') : paint('1;33', 'ALLOW');
  const lines = [
    `${verdict}  ${decision.score.toFixed(4)}  ${formatTime(decision.event_time)}  user ${escapeText(decision.user_id)}`,
    `  ${escapeText(transaction.currency)} ${money(transaction.amount_minor)}  ${placeOf(transaction)}`,
  ];
  for (const [i, reason] of decision.reasons.entries()) {
    // plus what the feature adds to the score, where the model says so
    const adds = reason.contribution === null ? '' : ` +${reason.contribution.toFixed(2)}`;
    const code = paint('2', `[${escapeText(reason.code)}${adds}]`);
    lines.push(`  ${i === 0 ? 'why    ' : '       '} ${escapeText(reason.text)} ${code}`);
  }
  if (decision.reasons.length === 0) lines.push('  why     by its score alone');
  for (const [i, entry] of history.entries()) {
    const ago = formatAgo(decision.event_time - entry.event_time);
    lines.push(
      `  ${i === 0 ? 'before ' : '       '} ${formatTime(entry.event_time)}  ${money(entry.amount_minor)}  ${ago}`,
    );
  }
  if (history.length === 0) lines.push('  before  no earlier payment of this user is known');
  const marks = marksOf(decision);
  if (marks.length > 0) lines.push(`  note    ${marks.map((mark) => escapeText(mark)).join('; ')}`);
  const versions = `model ${escapeText(decision.model_version)}, policy ${escapeText(decision.policy_version)}`;
  const ids = `${escapeText(decision.decision_id)}  payment ${escapeText(decision.transaction_id)}  ${versions}`;
  return `${lines.join('\n')}\n${paint('2', `  id      ${ids}`)}\n`;
}

function placeOf(transaction: FlaggedTransaction['transaction']): string {
  const parts = [
    `merchant ${transaction.merchant_id} (${transaction.mcc}, ${transaction.channel}, ${transaction.country})`,
    `card ${transaction.card_id}`,
    transaction.device_id === null ? '' : `device ${transaction.device_id}`,
    transaction.terminal_id === null ? '' : `terminal ${transaction.terminal_id}`,
    transaction.ip === null ? '' : `ip ${transaction.ip}`,
  ];
  return parts
    .filter((part) => part !== '')
    .map((part) => escapeText(part))
    .join(', ');
}

function marksOf(decision: FlaggedTransaction['decision']): string[] {
  const marks: string[] = [];
  if (decision.late) marks.push('arrived later than the allowed lateness');
  if (decision.future) marks.push('its time lies ahead of when it was logged');
  if (decision.duplicate_of !== null) marks.push(`repeats ${decision.duplicate_of}`);
  if (!decision.exact) marks.push('a window is estimated');
  if (decision.degraded.length > 0) marks.push(`degraded: ${decision.degraded.join(', ')}`);
  return marks;
}

/** 124900 with 2 digits → `1,249.00`; with unknown digits, as it is, marked as minor units */
export function formatMoney(minor: number, digits: number | null): string {
  if (digits === null) return `${minor} minor units`;
  const text = String(Math.abs(minor)).padStart(digits + 1, '0');
  const whole = text.slice(0, text.length - digits).replace(/\B(?=(\d{3})+(?!\d))/g, ',');
  const fraction = digits === 0 ? '' : `.${text.slice(text.length - digits)}`;
  return `${minor < 0 ? '-' : ''}${whole}${fraction}`;
}

function formatTime(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? `${ms} ms` : date.toISOString().replace('T', ' ').replace('.000Z', 'Z');
}

/** How long before, in the two largest units: `2 min 5 s earlier` */
function formatAgo(ms: number): string {
  const ahead = ms < 0;
  let seconds = Math.round(Math.abs(ms) / 1_000);
  const parts: string[] = [];
  for (const [unit, size] of [
    ['d', 86_400],
    ['h', 3_600],
    ['min', 60],
    ['s', 1],
  ] as const) {
    const count = Math.floor(seconds / size);
    seconds -= count * size;
    if (count > 0) parts.push(`${count} ${unit}`);
  }
  return `${parts.slice(0, 2).join(' ') || '0 s'} ${ahead ? 'later' : 'earlier'}`;
}
