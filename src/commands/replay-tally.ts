import { minorUnitDigits } from '../domain/currency.ts';
import type { Decision } from '../domain/decision.ts';
import type { ErrorCode } from '../domain/errors.ts';
import type { Transaction } from '../domain/transaction.ts';
import { escapeText } from '../observability/terminal.ts';
import { grouped } from '../observability/progress.ts';
import { STAGES, type BatchReport, type Observer } from '../pipeline/report.ts';

const EXAMPLES = 3;

/** Counts a replay and puts it in words. `fraudIds` = known frauds, null = no ground truth. */
export class ReplayTally implements Observer {
  private readonly fraudIds: ReadonlySet<string> | null;
  private readonly stageMs = new Float64Array(STAGES.length);
  private readonly deadLetters = new Map<ErrorCode, number>();
  private readonly examples: { decision: Decision; transaction: Transaction; telling: number }[] = [];
  records = 0;
  decisions = 0;
  private blocked = 0;
  private flagged = 0;
  private late = 0;
  private repeated = 0;
  private inexact = 0;
  private frauds = 0;
  private blockedFrauds = 0;
  private flaggedFrauds = 0;
  private batches = 0;

  constructor(fraudIds: ReadonlySet<string> | null) {
    this.fraudIds = fraudIds;
  }

  /** The engine's watch. */
  readonly decided = (decision: Decision, transaction: Transaction): void => {
    this.decisions++;
    const fraud = this.fraudIds?.has(decision.transaction_id) === true;
    if (fraud) this.frauds++;
    if (!decision.flagged) return;
    if (fraud) this.flaggedFrauds++;
    if (decision.decision !== 'BLOCK') return;
    if (fraud) this.blockedFrauds++;
    this.consider(decision, transaction);
  };

  /** The best explained cases of different users: those where most reasons say what is usual. */
  private consider(decision: Decision, transaction: Transaction): void {
    const telling = decision.reasons.filter((reason) => reason.usual !== null).length;
    const worst = this.examples[this.examples.length - 1];
    if (worst && this.examples.length === EXAMPLES && telling <= worst.telling) return;
    if (this.examples.some((one) => one.decision.user_id === decision.user_id)) return;
    this.examples.push({ decision, transaction, telling });
    this.examples.sort((x, y) => y.telling - x.telling);
    this.examples.length = Math.min(this.examples.length, EXAMPLES);
  }

  batch(report: BatchReport): void {
    this.batches++;
    this.records += report.records;
    this.blocked += report.blocked;
    this.flagged += report.flagged;
    this.late += report.late;
    this.repeated += report.repeated;
    this.inexact += report.inexact;
    report.stageMs.forEach((ms, k) => (this.stageMs[k]! += ms));
    for (const [code, count] of report.deadLetters)
      this.deadLetters.set(code, (this.deadLetters.get(code) ?? 0) + count);
  }

  published(): void {}
  flushed(): void {}
  folded(): void {}
  misplaced(): void {}

  failed(): void {}

  /** @param seconds wall time of the run */
  lines(seconds: number): string[] {
    const dead = [...this.deadLetters.values()].reduce((sum, count) => sum + count, 0);
    const lines = [
      `${grouped(this.decisions)} payments decided in ${seconds.toFixed(1)} s: ${grouped(Math.round(this.records / seconds))} payments/s`,
      `blocked ${grouped(this.blocked)}, flagged for an analyst ${grouped(this.flagged)} (blocked ones included)`,
      `late ${grouped(this.late)}, repeated ${grouped(this.repeated)}, estimated windows ${grouped(this.inexact)}, dead letters ${grouped(dead)}`,
    ];
    for (const [code, count] of this.deadLetters) lines.push(`  ${code}: ${grouped(count)}`);
    if (this.fraudIds !== null) {
      lines.push(
        `against ground truth (${grouped(this.frauds)} frauds): ` +
          `block precision ${percent(this.blockedFrauds, this.blocked)}, recall ${percent(this.blockedFrauds, this.frauds)}; ` +
          `flag precision ${percent(this.flaggedFrauds, this.flagged)}, recall ${percent(this.flaggedFrauds, this.frauds)}`,
      );
    }
    const perBatch = Math.round(this.records / Math.max(1, this.batches));
    const stages = STAGES.filter((_, k) => this.stageMs[k]! > 0).map((stage) => {
      const ms = this.stageMs[STAGES.indexOf(stage)]!;
      return `${stage} ${((ms * 1_000) / Math.max(1, this.records)).toFixed(1)}`;
    });
    lines.push(`µs per payment by stage, batches of ${grouped(perBatch)}: ${stages.join(', ')}`);
    return lines;
  }

  /** Blocked payments, explained. */
  exampleLines(): string[] {
    return this.examples.flatMap(({ decision, transaction }) => [
      `${decision.decision} ${escapeText(decision.decision_id)}: ${money(transaction)} at ${escapeText(transaction.merchant_id)} ` +
        `(${escapeText(transaction.mcc)}, ${escapeText(transaction.country)}, ${transaction.channel}), score ${decision.score.toFixed(3)}`,
      ...decision.reasons.map((reason) => `  - ${escapeText(reason.text)}`),
    ]);
  }
}

function percent(part: number, whole: number): string {
  return whole === 0 ? '-' : `${((100 * part) / whole).toFixed(1)} %`;
}

function money(transaction: Transaction): string {
  const digits = minorUnitDigits(transaction.currency) ?? 2;
  return `${(transaction.amount_minor / 10 ** digits).toFixed(digits)} ${escapeText(transaction.currency)}`;
}
