import { createLabelDecoder } from '../codec/decision-decoder.ts';
import { FraudstreamError } from '../domain/errors.ts';
import type { Label } from '../domain/transaction.ts';
import { hash32 } from '../features/hash.ts';
import type { Plan } from '../features/plan.ts';
import type { DueLabel, LabelFeed } from '../pipeline/label-feed.ts';
import { RowTally } from '../mapping/row-tally.ts';
import { entityKey, entityPrefix, userKey } from '../state/entity-keys.ts';
import { openLabelFiles } from '../transport/file/file-source.ts';
import type { LabelInput } from './mapped-input.ts';

/**
 * Verdicts from files in the order in which they were given, as they would have come beside the payments. Those given at the same
 * time stay in the order of the files. Memory: some 200 bytes a verdict; the texts of keys are shared.
 */
export class LabelTimeline implements LabelFeed {
  private readonly labels: readonly DueLabel[];
  private next = 0;

  private constructor(labels: readonly DueLabel[]) {
    this.labels = labels;
  }

  /** null when no feature asks for verdicts. Throws FS_FILE_INVALID when a verdict cannot be read. */
  static async read({ paths, mapped }: LabelInput, plan: Plan): Promise<LabelTimeline | null> {
    if (paths.length === 0 || plan.entities.every(({ layout }) => layout.labelFilters === 0)) return null;
    const labels: DueLabel[] = [];
    const keys = new Keys(plan);
    // The rows are read once more than the report counts.
    const quiet = mapped === null ? {} : { mapped: { ...mapped, tally: new RowTally() } };
    const source = await openLabelFiles({ paths, ...quiet });
    const decoder = createLabelDecoder(null);
    try {
      for (let next = await source.read(); next !== null; next = await source.read()) {
        for (const record of next.batch.records) {
          if (record.value === null || record.failure) {
            throw new FraudstreamError('FS_FILE_INVALID', `label ${record.offset} cannot be read`);
          }
          const label = decoder.decode(record.value);
          labels.push({ label: viewOf(label), dueMs: label.labelled_at, keys: keys.of(label) });
        }
      }
    } finally {
      await source.close();
    }
    // stable: equal times keep their order
    labels.sort((a, b) => a.dueMs - b.dueMs);
    return new LabelTimeline(labels);
  }

  take(untilMs: number): readonly DueLabel[] {
    const from = this.next;
    while (this.next < this.labels.length && this.labels[this.next]!.dueMs <= untilMs) this.next++;
    return this.labels.slice(from, this.next).map((one, k) => ({ ...one, label: { ...one.label, offset: from + k } }));
  }
}

function viewOf(label: Label): DueLabel['label'] {
  return {
    transactionHash: hash32(label.transaction_id, 0),
    timeMs: label.event_time,
    fraud: label.is_fraud,
    labelledAtMs: label.labelled_at,
    offset: 0,
  };
}

/** Keys of histories; equal ones are one text in memory. */
class Keys {
  private readonly entities: readonly { readonly prefix: string; readonly fields: readonly string[] }[];
  private readonly known = new Map<string, string>();

  constructor(plan: Plan) {
    this.entities = plan.entities.slice(1).map(({ name, fields }) => ({ prefix: entityPrefix(name), fields }));
  }

  of(label: Label): readonly (string | null)[] {
    const keys: (string | null)[] = [this.shared(userKey(label.user_id))];
    for (const { prefix, fields } of this.entities) {
      const key = entityKey(
        prefix,
        fields.map((field) => idOf(label, field)),
      );
      keys.push(key === null ? null : this.shared(key));
    }
    return keys;
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
