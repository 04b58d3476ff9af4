import { holdsCardNumber } from '../../codec/card-number.ts';
import { createLabelEncoder, createTransactionEncoder } from '../../codec/transaction-encoder.ts';
import { validateTransaction } from '../../codec/validate-transaction.ts';
import { ERRORS, FraudstreamError } from '../../domain/errors.ts';
import type { Transaction } from '../../domain/transaction.ts';
import type { Mapping, Refusal } from '../../mapping/mapping.ts';
import { type Cells, RowMapper } from '../../mapping/row-mapper.ts';
import { describeRefusal, type RowTally } from '../../mapping/row-tally.ts';
import { UnreadableRow, type FileValue } from './open-file.ts';

/** Files of somebody else's making, and the mapping that makes payments of their rows. */
export interface MappedInput {
  readonly mapping: Mapping;
  /** counts what becomes of the rows */
  readonly tally: RowTally;
  /** default true: of a refused row with a card number no bytes are kept */
  readonly cardNumberGuard?: boolean;
}

/** Rows of mapped files as values of records, counted over all files of a source. */
export class MappedRows {
  readonly mapping: Mapping;
  private readonly what: 'transactions' | 'labels';
  private readonly tally: RowTally;
  private readonly guard: boolean;
  private readonly payments = createTransactionEncoder();
  private readonly labels = createLabelEncoder();
  private row = 0;

  constructor(input: MappedInput, what: 'transactions' | 'labels') {
    this.mapping = input.mapping;
    this.tally = input.tally;
    this.guard = input.cardNumberGuard ?? true;
    this.what = what;
  }

  /** @param indexOf where each column of the mapping stands in the cells */
  mapper(indexOf: (column: string) => number): RowMapper {
    return new RowMapper(this.mapping, indexOf);
  }

  /** Null for a row that is left out: by skip_when, or without a label where labels are read. */
  convert(mapper: RowMapper, cells: Cells, bytes: Buffer, path: string, line: number): FileValue | null {
    this.row++;
    this.tally.rows++;
    if (this.what === 'labels') {
      const label = mapper.label(cells, this.row);
      if (label !== null) return this.labels.encode(label);
      if (mapper.refusal !== null) this.tally.refuse(`${path}:${line}`, mapper.refusal);
      return null;
    }
    const transaction = mapper.transaction(cells, this.row);
    if (transaction === null) {
      if (mapper.refusal !== null) return this.unreadable(mapper.refusal, bytes, path, line);
      this.tally.skipped++;
      return null;
    }
    const failure = this.invalid(transaction);
    if (failure !== null) return this.unreadable(refusalOf(failure, mapper), bytes, path, line, failure);
    this.tally.mapped(transaction.event_time, () => `${path}:${line}`);
    return this.payments.encode(transaction);
  }

  /** What is not even a row. Where labels are read it has none: it is reported where payments are read. */
  refuse(refusal: Refusal, bytes: Buffer, path: string, line: number): FileValue | null {
    this.row++;
    this.tally.rows++;
    return this.what === 'labels' ? null : this.unreadable(refusal, bytes, path, line);
  }

  private unreadable(
    refusal: Refusal,
    bytes: Buffer,
    path: string,
    line: number,
    failure: FraudstreamError | null = null,
  ): UnreadableRow {
    const place = `${path}:${line}`;
    this.tally.refuse(place, refusal);
    // A row that is refused is kept as it stands: then no card number may stand in it, in whichever column.
    const isCard = failure?.code === 'FS_CARD_NUMBER' || (this.guard && holdsCardNumber(bytes.toString('latin1')));
    const code = isCard ? 'FS_CARD_NUMBER' : 'FS_ROW_UNMAPPED';
    const detail = `${place}: ${describeRefusal(refusal)}`;
    return new UnreadableRow(
      bytes,
      new FraudstreamError(code, detail, refusal.field === '' ? {} : { field: refusal.field }),
    );
  }

  private invalid(transaction: Transaction): FraudstreamError | null {
    try {
      validateTransaction(transaction, this.guard);
      return null;
    } catch (error) {
      if (error instanceof FraudstreamError) return error;
      throw error;
    }
  }
}

/** The decoder would refuse it too, but it does not know lines and columns. */
function refusalOf(failure: FraudstreamError, mapper: RowMapper): Refusal {
  const field = (failure.place.field ?? '').replace('_minor', '');
  const detail = failure.message.slice(ERRORS[failure.code].text.length).replace(/^: field [^:]+/, '');
  return mapper.refuse(field, `${ERRORS[failure.code].text}${detail}`);
}
