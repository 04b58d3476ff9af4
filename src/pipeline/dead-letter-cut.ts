import { truncateDeadLetter } from '../codec/dead-letter.ts';
import { FraudstreamError, type ErrorPlace } from '../domain/errors.ts';
import type { Logger } from '../domain/logger.ts';
import type { OutputRecord } from '../transport/record.ts';

/** bytes of a dead letter's value, tried in this order when its topic refuses it */
const BYTES_MAX = [900_000, 90_000, 0] as const;

/**
 * A dead letter that its topic refuses for its size must not halt the partition: the next time, after the partition was
 * taken over anew, its value is cut.
 */
export class DeadLetterCut {
  private readonly log: Logger;
  private level = -1;

  constructor(log: Logger) {
    this.log = log;
  }

  fit(outputs: readonly OutputRecord[]): readonly OutputRecord[] {
    const bytes = BYTES_MAX[this.level];
    if (bytes === undefined) return outputs;
    return outputs.map((one) => (one.stream === 'dead-letter' ? truncateDeadLetter(one, bytes) : one));
  }

  /** @returns what to throw: retriable while a smaller cut is left to be tried */
  refused(error: FraudstreamError, place: ErrorPlace): FraudstreamError {
    if (error.code !== 'FS_OUTPUT_TOO_LARGE' || this.level >= BYTES_MAX.length - 1) return error;
    const bytes = BYTES_MAX[++this.level]!;
    this.log.warn('an output is refused for its size: dead letters are cut', { ...place, bytes });
    return new FraudstreamError('FS_KAFKA_UNAVAILABLE', error.message, place, { cause: error });
  }

  over(): void {
    this.level = -1;
  }
}
