import type { Label } from '../domain/transaction.ts';
import { hash32 } from '../features/hash.ts';
import type { Plan } from '../features/plan.ts';
import type { DueLabel, LabelFeed } from '../pipeline/label-feed.ts';
import { entityKey, entityPrefix, userKey } from '../state/entity-keys.ts';

/**
 * Verdicts in the order in which they were given, as they would have come beside the payments. Those given at the same time stay in
 * the order of the files. Columns, not objects: some 40 bytes a verdict, since a file may have a million of them; the texts of keys
 * are shared.
 */
export class LabelTimeline implements LabelFeed {
  private readonly dueMs: number[] = [];
  private readonly timeMs: number[] = [];
  private readonly hashes: number[] = [];
  private readonly frauds: boolean[] = [];
  /** as many per verdict as there are entities */
  private readonly keyTexts: (string | null)[] = [];
  private readonly keys: Keys;
  private readonly width: number;
  /** places in the columns in the order of time; null = as they stand */
  private order: Uint32Array | null = null;
  private isSorted = true;
  private next = 0;

  private constructor(plan: Plan) {
    this.keys = new Keys(plan);
    this.width = plan.entities.length;
  }

  /** null when no feature asks for verdicts */
  static of(plan: Plan): LabelTimeline | null {
    return plan.entities.every(({ layout }) => layout.labelFilters === 0) ? null : new LabelTimeline(plan);
  }

  /** All of them before the first is taken. */
  add(label: Label): void {
    const last = this.dueMs[this.dueMs.length - 1];
    if (last !== undefined && label.labelled_at < last) this.isSorted = false;
    this.dueMs.push(label.labelled_at);
    this.timeMs.push(label.event_time);
    this.hashes.push(hash32(label.transaction_id, 0));
    this.frauds.push(label.is_fraud);
    this.keys.add(label, this.keyTexts);
  }

  take(untilMs: number): readonly DueLabel[] {
    if (!this.isSorted) this.sort();
    const taken: DueLabel[] = [];
    for (; this.next < this.dueMs.length; this.next++) {
      const k = this.order === null ? this.next : this.order[this.next]!;
      const dueMs = this.dueMs[k]!;
      if (dueMs > untilMs) break;
      taken.push({
        dueMs,
        keys: this.keyTexts.slice(k * this.width, (k + 1) * this.width),
        label: {
          transactionHash: this.hashes[k]!,
          timeMs: this.timeMs[k]!,
          fraud: this.frauds[k]!,
          labelledAtMs: dueMs,
          offset: this.next,
        },
      });
    }
    return taken;
  }

  private sort(): void {
    const { dueMs } = this;
    // equal times keep their order
    this.order = Uint32Array.from(dueMs.keys()).sort((a, b) => dueMs[a]! - dueMs[b]! || a - b);
    this.isSorted = true;
  }
}

/** Keys of histories; equal ones are one text in memory. */
class Keys {
  private readonly entities: Plan['entities'];
  private readonly prefixes: readonly string[];
  private readonly known = new Map<string, string>();

  constructor(plan: Plan) {
    this.entities = plan.entities;
    this.prefixes = plan.entities.map(({ name }) => entityPrefix(name));
  }

  add(label: Label, to: (string | null)[]): void {
    for (let e = 0; e < this.entities.length; e++) {
      const { fields, layout } = this.entities[e]!;
      let key: string | null = null;
      if (layout.labelFilters !== 0) {
        const ids = fields.map((field) => idOf(label, field));
        key = e === 0 ? userKey(label.user_id) : entityKey(this.prefixes[e]!, ids);
      }
      to.push(key === null ? null : this.shared(key));
    }
  }

  private shared(key: string): string {
    const known = this.known.get(key);
    if (known !== undefined) return known;
    this.known.set(key, key);
    return key;
  }
}

/** What a verdict says of its payment; see `LABEL_FIELDS`. */
function idOf(label: Label, field: string): string | null {
  switch (field) {
    case 'user_id':
      return label.user_id;
    case 'card_id':
      return label.card_id;
    case 'merchant_id':
      return label.merchant_id;
    case 'terminal_id':
      return label.terminal_id;
    case 'device_id':
      return label.device_id;
    case 'ip':
      return label.ip;
    default:
      return null;
  }
}
