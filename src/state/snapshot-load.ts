import type { PartitionStore, StoredBlob } from './store.ts';

/**
 * Note of a state record while histories are being loaded into a store without state. What it stands beside is not a state:
 * some users are not there yet. Whoever finds it drops what is there.
 */
export const PARTIAL_NOTE = 'partial';

const USERS_MAX = 5_000;
const BYTES_MAX = 8_388_608;

export interface LoadedRecord {
  readonly watermark: number;
  readonly fingerprint: string;
  readonly note: string;
}

/**
 * Writes whole histories and then their record into an empty key space, which is emptied first. In pieces of a few MiB: while
 * they go in, the record says PARTIAL_NOTE. Throws FS_STATE_CONFLICT when somebody else writes, FS_STATE_UNAVAILABLE.
 */
export async function loadHistories(
  store: PartitionStore,
  blobs: AsyncIterable<readonly StoredBlob[]>,
  record: LoadedRecord,
  onProgress: (users: number) => void = () => undefined,
): Promise<{ users: number; bytes: number }> {
  await store.drop();
  const { fingerprint } = record;
  let expectedWatermark: number | null = null;
  let waiting: StoredBlob[] = [];
  let waitingBytes = 0;
  let users = 0;
  let bytes = 0;
  const write = async (watermark: number, note: string): Promise<void> => {
    const keys = waiting.map(({ key }) => key);
    await store.flush({
      expectedWatermark,
      watermark,
      fingerprint,
      note,
      keys,
      blobs: waiting.map(({ blob }) => blob),
    });
    expectedWatermark = watermark;
    users += waiting.length;
    bytes += waitingBytes;
    waiting = [];
    waitingBytes = 0;
    onProgress(users);
  };
  // Also before the first: a reader must not take "nothing yet" for "nothing".
  await write(0, PARTIAL_NOTE);
  for await (const some of blobs) {
    for (const one of some) {
      waiting.push(one);
      waitingBytes += one.blob.length;
      if (waiting.length >= USERS_MAX || waitingBytes >= BYTES_MAX) await write(0, PARTIAL_NOTE);
    }
  }
  await write(record.watermark, record.note);
  return { users, bytes };
}
