import { FraudstreamError } from '../../src/domain/errors.ts';
import { MemoryStateStore } from '../../src/state/memory-store.ts';
import type { FlushRequest, LoadResult, PartitionState, PartitionStore, StoredBlob } from '../../src/state/store.ts';

type StoreCall = 'readState' | 'load' | 'flush' | 'drop' | 'readAttempt' | 'writeAttempt';
/** `before`: refused, nothing done; `after`: done, but not answered; `conflict`: refused as another owner's. */
type StoreFault = 'before' | 'after' | 'conflict';

/** The memory store, with faults that a test scripts. One partition. */
export class ScriptedStore implements PartitionStore {
  /** every call, in order */
  readonly calls: StoreCall[] = [];
  /** what was asked to be written, whatever became of it */
  readonly requests: FlushRequest[] = [];
  /** every call fails while true */
  away = false;
  /** no call is answered while true, nor later */
  silent = false;
  private readonly inner: PartitionStore;
  private readonly faults: { call: StoreCall; fault: StoreFault }[] = [];
  private readonly applied: FlushRequest[] = [];
  /** histories that a drop which was cut short has left */
  private readonly leftovers = new Map<string, Uint8Array>();
  private gate: { call: StoreCall; promise: Promise<void>; open: () => void } | null = null;

  private constructor(inner: PartitionStore) {
    this.inner = inner;
  }

  static async open(): Promise<ScriptedStore> {
    return new ScriptedStore(await new MemoryStateStore().open({ topic: 'transactions', partition: 0 }));
  }

  /** The next calls of this name meet these faults, one each. */
  fail(call: StoreCall, ...faults: StoreFault[]): void {
    this.faults.push(...faults.map((fault) => ({ call, fault })));
  }

  /** Calls of this name wait until `release`. */
  hold(call: StoreCall): void {
    let open = (): void => {};
    const promise = new Promise<void>((resolve) => (open = resolve));
    this.gate = { call, promise, open };
  }

  release(): void {
    this.gate?.open();
    this.gate = null;
  }

  count(call: StoreCall): number {
    return this.calls.filter((one) => one === call).length;
  }

  /** Everything is gone, as after a restart without persistence. */
  async lose(): Promise<void> {
    await this.inner.drop();
    await this.inner.writeAttempt(null);
  }

  /** The last flushes are gone, as after a failover to a replica that lagged. */
  async rollBack(flushes: number): Promise<void> {
    await this.inner.drop();
    this.applied.splice(this.applied.length - flushes, flushes);
    for (const request of this.applied) await this.inner.flush(request);
  }

  /** A drop that was cut short: the watermark is gone, the histories are not. */
  async halfDrop(): Promise<void> {
    const keys = [...new Set(this.applied.flatMap((request) => request.keys))];
    const { blobs } = await this.inner.load(keys);
    keys.forEach((key, k) => {
      const blob = blobs[k];
      if (blob) this.leftovers.set(key, Uint8Array.from(blob));
    });
    await this.inner.drop();
  }

  readState(): Promise<PartitionState> {
    return this.call('readState', () => this.inner.readState());
  }

  load(keys: readonly string[]): Promise<LoadResult> {
    return this.call('load', async () => {
      const { watermark, blobs } = await this.inner.load(keys);
      return { watermark, blobs: blobs.map((blob, k) => blob ?? this.leftovers.get(keys[k]!) ?? null) };
    });
  }

  flush(request: FlushRequest): Promise<void> {
    this.requests.push(request);
    return this.call('flush', async () => {
      await this.inner.flush(request);
      this.applied.push(request);
    });
  }

  drop(): Promise<void> {
    return this.call('drop', async () => {
      await this.inner.drop();
      this.leftovers.clear();
      this.applied.length = 0;
    });
  }

  readAttempt(): Promise<string | null> {
    return this.call('readAttempt', () => this.inner.readAttempt());
  }

  writeAttempt(text: string | null): Promise<void> {
    return this.call('writeAttempt', () => this.inner.writeAttempt(text));
  }

  scan(): AsyncIterable<readonly StoredBlob[]> {
    return this.inner.scan();
  }

  private async call<T>(call: StoreCall, work: () => Promise<T>): Promise<T> {
    this.calls.push(call);
    if (this.gate?.call === call) await this.gate.promise;
    if (this.silent) return new Promise(() => undefined);
    if (this.away) throw new FraudstreamError('FS_STATE_UNAVAILABLE', 'away');
    const at = this.faults.findIndex((one) => one.call === call);
    const fault = at < 0 ? null : this.faults.splice(at, 1)[0]!.fault;
    if (fault === 'before') throw new FraudstreamError('FS_STATE_UNAVAILABLE', 'refused');
    if (fault === 'conflict') throw new FraudstreamError('FS_STATE_CONFLICT', 'another owner');
    const answer = await work();
    if (fault === 'after') throw new FraudstreamError('FS_STATE_UNAVAILABLE', 'not answered');
    return answer;
  }
}
