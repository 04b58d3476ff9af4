import { describe, expect, it } from 'vitest';
import { createTransactionEncoder } from '../../../src/codec/transaction-encoder.ts';
import { SCHEMA_TYPES } from '../../../src/codec/schemas.ts';
import type { Decision } from '../../../src/domain/decision.ts';
import { FraudstreamError } from '../../../src/domain/errors.ts';
import type { PartitionStore } from '../../../src/state/store.ts';
import { MemorySink } from '../../../src/transport/memory/memory-sink.ts';
import { transaction } from '../../support/transaction.ts';
import { good, input, workerWith } from './worker-harness.ts';

/** A store that is there, refuses, or never answers. */
class MoodyStore implements PartitionStore {
  mood: 'there' | 'away' | 'silent' = 'there';
  private readonly inner: PartitionStore;

  constructor(inner: PartitionStore) {
    this.inner = inner;
  }

  readState = (): ReturnType<PartitionStore['readState']> => this.guarded(() => this.inner.readState());
  load: PartitionStore['load'] = (keys) => this.guarded(() => this.inner.load(keys));
  flush: PartitionStore['flush'] = (request) => this.guarded(() => this.inner.flush(request));
  drop: PartitionStore['drop'] = () => this.guarded(() => this.inner.drop());

  private guarded<T>(call: () => Promise<T>): Promise<T> {
    if (this.mood === 'there') return call();
    if (this.mood === 'silent') return new Promise(() => undefined);
    return Promise.reject(new FraudstreamError('FS_STATE_UNAVAILABLE', 'away'));
  }
}

const degradedOf = (sink: MemorySink): string[][] =>
  sink.of('decisions').map(({ value }) => [...(SCHEMA_TYPES.decision.fromBuffer(value!) as Decision).degraded]);

async function setUp(flushRecordsMax = 1_000) {
  const sink = new MemorySink();
  let store!: MoodyStore;
  const around = (inner: PartitionStore): PartitionStore => (store = new MoodyStore(inner));
  const options = { onUnavailable: 'decide-without-history' as const, flushRecordsMax };
  const worker = await workerWith(sink, [], { around, options });
  const stranger = createTransactionEncoder().encode(transaction({ user_id: 'u_2', transaction_id: 't_2' }));
  const handle = (value: Buffer, offset: number): Promise<void> =>
    worker.handle(
      { topic: 'transactions', partition: 0, records: input([value], offset), highWatermark: offset + 1 },
      offset + 1,
    );
  return { sink, store, worker, stranger, handle };
}

describe('deciding without history', () => {
  it('goes on when the store stops to answer at all, and folds when it is back', async () => {
    const { sink, store, worker, stranger, handle } = await setUp();
    await handle(good, 0);
    store.mood = 'away';
    await handle(stranger, 1);
    store.mood = 'silent';
    // Each would wait for ever if it waited for the store.
    await handle(stranger, 2);
    await handle(good, 3);
    expect(degradedOf(sink)).toEqual([[], ['no-history'], ['no-history'], ['no-history']]);
    await worker.release(false);
  });

  it('asks for the partition anew when the store is back', async () => {
    const { store, stranger, handle, worker } = await setUp();
    store.mood = 'away';
    await handle(stranger, 0);
    store.mood = 'there';
    await handle(stranger, 1);
    await expect(handle(stranger, 2)).rejects.toMatchObject({ code: 'FS_STATE_CONFLICT' });
    // nothing of what was decided without history is in the state yet: it is read again, and folded
    expect(await worker.acquire()).toBe(0);
  });

  it('begins also when all users are in memory and only the flush fails', async () => {
    const { sink, store, handle } = await setUp(1);
    await handle(good, 0);
    store.mood = 'away';
    for (let offset = 1; offset <= 4; offset++) await handle(good, offset);
    expect(degradedOf(sink).at(-1)).toEqual(['no-history']);
  });
});
