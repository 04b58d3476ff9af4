import { FraudstreamError, type ErrorPlace } from '../../domain/errors.ts';
import { fromKafkaCode } from './kafka-errors.ts';

/** What a broker's refusal of a transaction request means. Pure. Numbers: https://kafka.apache.org/protocol#protocol_error_codes */

/**
 * 'init' and 'offset' may be repeated whatever came of them: another epoch, or the same offset in the same transaction.
 * A refusal of the others ('add', 'end') is one of the whole request, if it is one. A 'produce' may have been refused for
 * one partition and done for another.
 */
export type TransactionRequestKind = 'init' | 'add' | 'offset' | 'produce' | 'end';

const CONCURRENT_TRANSACTIONS = 51;

/** COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR */
const COORDINATOR: ReadonlySet<number> = new Set([14, 15, 16]);

/**
 * Only another `init` helps. A duplicate among them: nothing is sent twice under one identity, so what the broker takes
 * for a copy is a batch of a transaction that was aborted, and ours is not in the log.
 */
const FENCED: ReadonlyMap<number, string> = new Map([
  [45, 'OUT_OF_ORDER_SEQUENCE_NUMBER'],
  [46, 'DUPLICATE_SEQUENCE_NUMBER'],
  [47, 'INVALID_PRODUCER_EPOCH'],
  [48, 'INVALID_TXN_STATE'],
  [49, 'INVALID_PRODUCER_ID_MAPPING'],
  [59, 'UNKNOWN_PRODUCER_ID'],
  [90, 'PRODUCER_FENCED'],
  [120, 'TRANSACTION_ABORTABLE'],
]);

export const isCoordinatorCode = (errorCode: number): boolean => COORDINATOR.has(errorCode);

export function transactionRefusal(
  kind: TransactionRequestKind,
  errorCode: number,
  doing: string,
  place: ErrorPlace = {},
): FraudstreamError {
  const fenced = FENCED.get(errorCode);
  if (fenced !== undefined) return new FraudstreamError('FS_KAFKA_FENCED', `${doing} (${fenced})`, place);
  // A coordinator says that it moves or loads also when its own write failed half-way: its effect must not matter.
  const repeatable = kind === 'init' || kind === 'offset';
  const busy = errorCode === CONCURRENT_TRANSACTIONS ? kind !== 'produce' : repeatable && COORDINATOR.has(errorCode);
  if (busy) return new FraudstreamError('FS_KAFKA_BUSY', `${doing} (error code ${errorCode})`, place);
  return fromKafkaCode(errorCode, doing, place);
}
