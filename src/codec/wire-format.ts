import { FraudstreamError } from '../domain/errors.ts';

/** Confluent wire format: magic byte 0, schema id in 4 bytes (big endian), then the Avro binary. */
export const WIRE_HEADER_BYTES = 5;

/**
 * @param value not empty
 * @throws FraudstreamError FS_WIRE_MAGIC, FS_WIRE_TRUNCATED
 */
export function readSchemaId(value: Buffer): number {
  if (value[0] !== 0) {
    throw new FraudstreamError('FS_WIRE_MAGIC', 'is the producer configured for the schema registry?');
  }
  if (value.length < WIRE_HEADER_BYTES) throw new FraudstreamError('FS_WIRE_TRUNCATED', `${value.length} bytes`);
  return value.readUInt32BE(1);
}
