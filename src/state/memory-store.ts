import { FraudstreamError } from '../domain/errors.ts';
import { BlobArena } from './blob-arena.ts';
import { checkFlushRequest } from './flush-request.ts';
import {
  NO_STATE,
  type FlushRequest,
  type LoadResult,
  type PartitionId,
  type PartitionState,
  type PartitionStore,
  type StateStore,
  type StoredBlob,
} from './store.ts';

const SCAN_COUNT = 500;

/**
 * State in this process: the embedded default. It lives as long as the store object; `open` of the same partition
 * returns the same state.
 *
 * Who owns which buffer: `flush` copies what it is given, so the caller may reuse its buffers at once. `load` hands out
 * views that are read only and stay as they are whatever is flushed later; a view keeps up to 1 MiB alive, so copy what
 * is to be kept for long.
 *
 * At most 2^24 users per partition (the limit of a JavaScript `Map`).
 */
export class MemoryStateStore implements StateStore {
  private readonly partitions = new Map<string, MemoryPartitionStore>();

  open(id: PartitionId): Promise<PartitionStore> {
    const name = `${id.topic}:${id.partition}`;
    let store = this.partitions.get(name);
    if (store === undefined) {
      store = new MemoryPartitionStore(id);
      this.partitions.set(name, store);
    }
    return Promise.resolve(store);
  }

  ping(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Every method does its work before it returns, so calls that overlap still see each other whole. */
class MemoryPartitionStore implements PartitionStore {
  private readonly id: PartitionId;
  private numbers = new Map<string, number>();
  private arena = new BlobArena();
  private state: PartitionState = NO_STATE;
  private attempt: string | null = null;

  constructor(id: PartitionId) {
    this.id = id;
  }

  readState(): Promise<PartitionState> {
    return Promise.resolve(this.state);
  }

  load(keys: readonly string[]): Promise<LoadResult> {
    const blobs = new Array<Uint8Array | null>(keys.length);
    for (let i = 0; i < keys.length; i++) {
      const number = this.numbers.get(keys[i] as string);
      blobs[i] = number === undefined ? null : this.arena.view(number);
    }
    return Promise.resolve({ watermark: this.state.watermark, blobs });
  }

  // async, so that what it throws is a rejection like that of every other adapter
  async flush(request: FlushRequest): Promise<void> {
    checkFlushRequest(request);
    this.checkOwner(request);
    for (let i = 0; i < request.keys.length; i++) {
      const key = request.keys[i] as string;
      const blob = request.blobs[i] as Uint8Array;
      const number = this.numbers.get(key);
      if (number === undefined) this.numbers.set(key, this.arena.add(blob));
      else this.arena.replace(number, blob);
    }
    const { watermark, fingerprint, note } = request;
    this.state = { watermark, fingerprint, note, flushing: null };
    this.arena.clean();
  }

  drop(): Promise<void> {
    this.state = NO_STATE;
    this.numbers = new Map();
    this.arena = new BlobArena();
    return Promise.resolve();
  }

  readAttempt(): Promise<string | null> {
    return Promise.resolve(this.attempt);
  }

  writeAttempt(text: string | null): Promise<void> {
    this.attempt = text;
    return Promise.resolve();
  }

  async *scan(): AsyncGenerator<readonly StoredBlob[]> {
    const numbers = [...this.numbers];
    for (let at = 0; at < numbers.length; at += SCAN_COUNT) {
      yield await Promise.resolve(
        numbers.slice(at, at + SCAN_COUNT).map(([key, number]) => ({ key, blob: this.arena.view(number) })),
      );
    }
  }

  private checkOwner(request: FlushRequest): void {
    const { watermark, fingerprint } = this.state;
    if (watermark !== request.expectedWatermark) {
      const detail = `expected ${request.expectedWatermark ?? 'none'}, found ${watermark ?? 'none'}`;
      throw new FraudstreamError('FS_STATE_CONFLICT', detail, { ...this.id });
    }
    if (fingerprint !== null && fingerprint !== request.fingerprint) {
      const detail = 'the stored state has another layout fingerprint; another version of the program owns it';
      throw new FraudstreamError('FS_STATE_CONFLICT', detail, { ...this.id });
    }
  }
}
