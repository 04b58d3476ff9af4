import { createLabelDecoder } from '../codec/decision-decoder.ts';
import { FraudstreamError } from '../domain/errors.ts';
import { openLabelFiles } from '../transport/file/file-source.ts';
import type { MappedInput } from '../transport/file/mapped-rows.ts';

export interface KnownLabel {
  readonly fraud: boolean;
  /** when the verdict was given, ms */
  readonly labelledMs: number;
}

/**
 * Verdicts by transaction id; of several for one payment the last given holds.
 * Throws FS_FILE_INVALID when a label cannot be read: a report from half the labels would mislead.
 */
export async function readLabels(
  paths: readonly string[],
  mapped: MappedInput | null = null,
): Promise<Map<string, KnownLabel>> {
  const labels = new Map<string, KnownLabel>();
  if (paths.length === 0) return labels;
  const source = await openLabelFiles({ paths, ...(mapped === null ? {} : { mapped }) });
  const decoder = createLabelDecoder(null);
  try {
    for (;;) {
      const next = await source.read();
      if (next === null) return labels;
      for (const record of next.batch.records) {
        if (record.value === null || record.failure) {
          throw new FraudstreamError('FS_FILE_INVALID', `label ${record.offset} cannot be read`);
        }
        const label = decoder.decode(record.value);
        const known = labels.get(label.transaction_id);
        if (known && known.labelledMs > label.labelled_at) continue;
        labels.set(label.transaction_id, { fraud: label.is_fraud, labelledMs: label.labelled_at });
      }
    }
  } finally {
    await source.close();
  }
}

export function fraudIds(labels: ReadonlyMap<string, KnownLabel>): Set<string> {
  const ids = new Set<string>();
  for (const [id, label] of labels) if (label.fraud) ids.add(id);
  return ids;
}
