import { FraudstreamError, type ErrorPlace } from '../../domain/errors.ts';
import type { PartitionId, PartitionState } from '../store.ts';

/** What the record says; the note is a value of its own. */
export type StateRecord = Pick<PartitionState, 'watermark' | 'fingerprint'>;

/**
 * The record beside the blobs, `<format> <watermark> <fingerprint>`. One string, so that one MGET reads it with the blobs
 * and one comparison in the script checks watermark, fingerprint and format.
 *
 * Format 2: beside it is a note, without which a version that knows none must not write.
 */
const FORMAT = '2';
const NOTHING: StateRecord = { watermark: null, fingerprint: null };

export function encodeState(watermark: number, fingerprint: string): string {
  return `${FORMAT} ${watermark} ${fingerprint}`;
}

/** Throws FS_STATE_LAYOUT for another format, FS_STATE_CORRUPT when it cannot be read. */
export function decodeState(record: Uint8Array | null, place: ErrorPlace): StateRecord {
  if (record === null || record.length === 0) return NOTHING;
  const text = Buffer.from(record.buffer, record.byteOffset, record.length).toString('utf8');
  const match = /^(\d{1,9}) (\d{1,16}) (.*)$/s.exec(text);
  if (match === null) {
    throw new FraudstreamError(
      'FS_STATE_CORRUPT',
      'the watermark record cannot be read; drop the state and rebuild it',
      place,
    );
  }
  if (match[1] !== FORMAT) {
    const detail = `the store has format ${match[1]}, this version reads ${FORMAT}; run the version that wrote it, or drop and rebuild`;
    throw new FraudstreamError('FS_STATE_LAYOUT', detail, place);
  }
  return { watermark: Number(match[2]), fingerprint: match[3] as string };
}

/** `<watermark that will be written> <unique>`; that of a removal has no watermark. */
export function flushToken(watermark: number, unique: string): string {
  return `${watermark} ${unique}`;
}

/** Watermark of the flush that has begun and not ended; null when there is none. */
function decodeFlushToken(token: Uint8Array | null): number | null {
  if (token === null) return null;
  const match = /^(\d{1,16}) /.exec(Buffer.from(token.buffer, token.byteOffset, token.length).toString('latin1'));
  return match === null ? null : Number(match[1]);
}

/** @param values of the keys state, note and flush. Throws as `decodeState`. */
export function decodePartitionState(values: readonly (Buffer | null)[], place: ErrorPlace): PartitionState {
  const [record = null, note = null, token = null] = values;
  const { watermark, fingerprint } = decodeState(record, place);
  const noted = watermark === null ? null : (note?.toString() ?? null);
  return { watermark, fingerprint, note: noted, flushing: decodeFlushToken(token) };
}

/** Names of the keys of one partition; all in one cluster slot by their hash tag. */
export interface PartitionKeys {
  /** record of watermark and fingerprint */
  readonly state: string;
  /** token of the flush that is being written in slices */
  readonly flush: string;
  /** what the owner noted at the watermark */
  readonly note: string;
  /** what is being tried; outlives `drop` */
  readonly attempt: string;
  /** + user id */
  readonly blobPrefix: string;
  /** glob of all blob keys, for SCAN */
  readonly blobPattern: string;
}

/**
 * `{<app>:<topic>:<partition>}:u:<id>`, `…:w`, `…:f`, `…:n`, `…:a`. Redis hashes what is between the first `{` and the first `}` after it, so
 * braces in an id do no harm; in app and topic they (and `:`) are percent-encoded.
 */
export function partitionKeys(app: string, id: PartitionId): PartitionKeys {
  const tag = `{${encodeURIComponent(app)}:${encodeURIComponent(id.topic)}:${id.partition}}`;
  return {
    state: `${tag}:w`,
    flush: `${tag}:f`,
    note: `${tag}:n`,
    attempt: `${tag}:a`,
    blobPrefix: `${tag}:u:`,
    blobPattern: `${tag.replace(/[*?[\]\\^]/g, '\\$&')}:u:*`,
  };
}
