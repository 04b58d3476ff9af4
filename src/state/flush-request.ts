import { FraudstreamError } from '../domain/errors.ts';
import type { FlushRequest } from './store.ts';

const isWatermark = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

/**
 * What every adapter refuses before it writes anything: a flush that breaks these rules is a bug of the caller and would
 * damage the partition in silence. Throws FS_INTERNAL.
 */
export function checkFlushRequest(request: FlushRequest): void {
  const { keys, blobs, watermark, expectedWatermark } = request;
  if (keys.length !== blobs.length) {
    throw new FraudstreamError('FS_INTERNAL', `flush of ${keys.length} keys with ${blobs.length} blobs`);
  }
  if (!isWatermark(watermark) || (expectedWatermark !== null && !isWatermark(expectedWatermark))) {
    throw new FraudstreamError('FS_INTERNAL', `flush with the watermark ${watermark} after ${expectedWatermark}`);
  }
  if (expectedWatermark !== null && watermark < expectedWatermark) {
    throw new FraudstreamError(
      'FS_INTERNAL',
      `flush would move the watermark back: ${expectedWatermark} to ${watermark}`,
    );
  }
}
