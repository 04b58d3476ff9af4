import { readFile } from 'node:fs/promises';
import type { Settings } from '../config/options.ts';
import { FraudstreamError } from '../domain/errors.ts';
import type { Mapping } from '../mapping/mapping.ts';
import { parseMapping } from '../mapping/parse-mapping.ts';
import { RowTally } from '../mapping/row-tally.ts';
import type { MappedInput } from '../transport/file/mapped-rows.ts';

/** Throws FS_MAPPING_INVALID. */
export async function loadMapping(file: string): Promise<Mapping> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new FraudstreamError('FS_MAPPING_INVALID', `${file} cannot be read (${error.code})`, {}, { cause: error });
  });
  return parseMapping(text, file);
}

/** What the mapping of the settings makes of the files; null when there is none. Throws FS_MAPPING_INVALID. */
export async function mappedInputOf(settings: Settings): Promise<MappedInput | null> {
  const file = settings['mapping.file'];
  if (file === null) return null;
  return {
    mapping: await loadMapping(file),
    tally: new RowTally(),
    cardNumberGuard: settings['guard.card-numbers'],
  };
}

/** Files with verdicts; `mapped` null: of our own format. */
export interface LabelInput {
  readonly paths: readonly string[];
  readonly mapped: MappedInput | null;
}

/**
 * Where the verdicts are: in label files of our own format when such are named, else in the rows of payments when the
 * mapping says where. `mapped` has a tally of its own: the rows are read a second time.
 */
export function labelInputOf(
  labelFiles: readonly string[],
  paymentFiles: readonly string[],
  mapped: MappedInput | null,
): LabelInput {
  if (labelFiles.length > 0 || mapped === null || mapped.mapping.label === null) {
    return { paths: labelFiles, mapped: null };
  }
  return { paths: paymentFiles, mapped: { ...mapped, tally: new RowTally() } };
}
