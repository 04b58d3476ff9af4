import { createHash } from 'node:crypto';
import type { InputRecord } from '../transport/record.ts';

const HASH_CHARACTERS = 22;

/**
 * What tells a record from another one at the same offset: a hash of its timestamp, key and value; '' for a record that could not
 * be read, whose bytes are not always the same. SHA-256, cut to 128 bits: 22 characters of base64url.
 */
export function hashOf(record: InputRecord): string {
  if (record.failure) return '';
  const head = Buffer.allocUnsafe(16);
  head.writeDoubleBE(record.timestampMs, 0);
  head.writeInt32BE(record.key?.length ?? -1, 8);
  head.writeInt32BE(record.value?.length ?? -1, 12);
  const hash = createHash('sha256').update(head);
  if (record.key) hash.update(record.key);
  if (record.value) hash.update(record.value);
  return hash.digest('base64url').slice(0, HASH_CHARACTERS);
}
