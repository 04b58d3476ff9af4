import { FraudstreamError, type ErrorPlace } from '../../domain/errors.ts';
import { fromKafkaCode } from './kafka-errors.ts';

/** What a broker's refusal of a transaction request means. Pure. Numbers: https://kafka.apache.org/protocol#protocol_error_codes */

/**
 * 'init' is safe to repeat whatever came of it. A refusal of an 'offer' is one of the whole request. A 'produce' may have
 * been refused for one partition and done for another.
 */
export type TransactionRequestKind = 'init' | 'offer' | 'produce';

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
  // What a coordinator says that moves or loads is certain to be without effect only where an effect does not matter.
  const busy =
    errorCode === CONCURRENT_TRANSACTIONS ? kind !== 'produce' : kind === 'init' && COORDINATOR.has(errorCode);
  if (busy) return new FraudstreamError('FS_KAFKA_BUSY', `${doing} (error code ${errorCode})`, place);
  return fromKafkaCode(errorCode, doing, place);
}
