import type { Transaction } from '../../src/domain/transaction.ts';
import type { Plan } from '../../src/features/plan.ts';
import type { EventMeasurer } from '../../src/pipeline/event-measurer.ts';
import { newWork } from '../../src/pipeline/work.ts';
import { CacheBudget } from '../../src/state/cache.ts';
import { PartitionHistories } from '../../src/state/partition-histories.ts';
import type { PartitionStore } from '../../src/state/store.ts';
import type { InputRecord } from '../../src/transport/record.ts';

export function recordAt(offset: number): InputRecord {
  return { topic: 't', partition: 0, offset, timestampMs: -1, key: null, value: null, headers: null };
}

export function historiesOf(plan: Plan, store: PartitionStore): PartitionHistories {
  return new PartitionHistories(plan.layout, store, new CacheBudget(1e9));
}

/** null where one of the fields is */
export function idOf(fields: readonly string[], payment: Transaction): string | null {
  const values = fields.map((field) =>
    field === 'attributes.tag'
      ? payment.attributes['tag']
      : (payment as unknown as Record<string, string | null>)[field],
  );
  return values.includes(null) || values.includes(undefined) ? null : values.join('|');
}

/** The process dies in the middle of a flush: some histories are stored, the watermark is the one before. */
export async function crashed(
  plan: Plan,
  store: PartitionStore,
  state: PartitionHistories,
  log: readonly Transaction[],
  end: number,
  random: () => number,
  measurer: EventMeasurer,
): Promise<PartitionHistories> {
  const before = await store.readState();
  const half: PartitionStore = Object.create(store) as PartitionStore;
  half.flush = async (request) => {
    const kept = request.keys.map(() => random() < 0.5);
    if (before.watermark === null) throw new Error('nothing is stored yet');
    await store.flush({
      ...request,
      watermark: before.watermark,
      keys: request.keys.filter((_, k) => kept[k]),
      blobs: request.blobs.filter((_, k) => kept[k]),
    });
    throw new Error('died');
  };
  Reflect.set(state, 'store', half);
  await state.flush().catch(() => undefined);
  const next = historiesOf(plan, store);
  next.restart(before.watermark);
  for (let offset = before.watermark ?? 0; offset < end; offset++) {
    const work = newWork(recordAt(offset), log[offset]!);
    await measurer.load([work], next);
    measurer.foldAgain(work, next);
    next.position = offset + 1;
  }
  return next;
}
