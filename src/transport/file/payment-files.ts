import { SCHEMA_TEXTS, SCHEMA_TYPES } from '../../codec/schemas.ts';
import { createLabelEncoder, createTransactionEncoder } from '../../codec/transaction-encoder.ts';
import type { Label, Transaction } from '../../domain/transaction.ts';
import { createContainerFile, createLineFile, type RecordFile } from './record-file.ts';

export type PaymentFileFormat = 'avro' | 'jsonl';

/** Writes one kind of our input records. Throws FS_FILE_INVALID. */
export interface PaymentFile<T> {
  /** Await the promise when there is one: that is the backpressure. */
  append(record: T): Promise<void> | null;
  close(): Promise<void>;
  abandon(): Promise<void>;
}

/** A file that `openTransactionFiles` reads. */
export async function createTransactionFile(
  path: string,
  format: PaymentFileFormat,
): Promise<PaymentFile<Transaction>> {
  return over(await create(path, format, 'transaction'), createTransactionEncoder());
}

/** A file that `openLabelFiles` reads. */
export async function createLabelFile(path: string, format: PaymentFileFormat): Promise<PaymentFile<Label>> {
  return over(await create(path, format, 'label'), createLabelEncoder());
}

function create(path: string, format: PaymentFileFormat, contract: 'transaction' | 'label'): Promise<RecordFile> {
  if (format === 'avro') return createContainerFile(path, SCHEMA_TEXTS[contract]);
  const type = SCHEMA_TYPES[contract];
  return createLineFile(path, (record) => JSON.stringify(type.fromBuffer(record)));
}

function over<T>(file: RecordFile, encoder: { encode(record: T): Buffer }): PaymentFile<T> {
  return {
    append: (record) => file.append(encoder.encode(record)),
    close: () => file.close(),
    abandon: () => file.abandon(),
  };
}
