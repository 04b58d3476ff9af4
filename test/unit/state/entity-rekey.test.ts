import { describe, expect, it } from 'vitest';
import { parseCatalogue } from '../../../src/features/parse.ts';
import { compilePlan } from '../../../src/features/plan.ts';
import { decodeHistory } from '../../../src/state/blob-decode.ts';
import { encodeHistory } from '../../../src/state/blob-encode.ts';
import { entityKey, entityPrefix, KeyedLayouts, userKey } from '../../../src/state/entity-keys.ts';
import { EventView } from '../../../src/state/event-view.ts';
import { foldLabel } from '../../../src/state/label-fold.ts';
import { LABEL, setMasks, type Layout } from '../../../src/state/layout.ts';
import { UserHistory } from '../../../src/state/history.ts';
import { MemoryStateStore } from '../../../src/state/memory-store.ts';
import { stageHistories } from '../../../src/state/rekey.ts';
import { allBlobs, START_MS } from './snapshot-events.ts';

const plan = compilePlan(
  parseCatalogue(
    [
      'version: 1',
      'features:',
      '  - { name: users, aggregate: distinct, of: user_id, entity: terminal_id, window: 1d }',
      '  - { name: spent, aggregate: sum, window: 7d }',
      '  - { name: frauds, aggregate: count, entity: terminal_id, window: 7d, where: { label: fraud, spent: { over: 1 } } }',
    ].join('\n'),
    'f.yaml',
  ),
  86_400_000,
);
const KEY = entityKey(entityPrefix('terminal_id'), ['t_1'])!;
const layouts = new KeyedLayouts(plan.layout);

function historyOf(layout: Layout, offsets: readonly number[], frauds: readonly number[]): UserHistory {
  const history = new UserHistory(layout);
  const view = new EventView(layout);
  for (const offset of offsets) {
    view.timeMs = START_MS + offset;
    view.offset = offset;
    view.amountMinor = offset;
    view.transactionHash = offset;
    view.hashes.fill(offset);
    view.kept.fill(offset * 1_000_000);
    setMasks(layout, view);
    history.fold(view);
  }
  frauds.forEach((of, offset) => {
    foldLabel(history, { offset, transactionHash: of, timeMs: START_MS + of, fraud: true, labelledAtMs: START_MS });
  });
  return history;
}

describe('histories of entities', () => {
  it('have keys that no user has, whatever the ids are', () => {
    const odd = ['', 't', '\u0001', '\u0001terminal_id\u0001t_1', '1:ab', 'ab'];
    const keys = [
      ...odd.map(userKey),
      ...odd.map((id) => entityKey(entityPrefix('terminal_id'), [id])),
      ...odd.flatMap((a) => odd.map((b) => entityKey(entityPrefix('terminal_id+user_id'), [a, b]))),
    ];
    expect(new Set(keys).size).toBe(keys.length);
    expect(userKey('u_1')).toBe('u_1');
    expect(entityKey(entityPrefix('ip'), ['a', null])).toBeNull();
    expect(layouts.of(KEY).layout).toBe(plan.entities[1]!.layout);
    expect(layouts.of(userKey(KEY)).layout).toBe(plan.layout);
  });

  it('are joined when partitions change, with their verdicts and what rows keep', async () => {
    const { layout, scratch } = layouts.of(KEY);
    const { fingerprint } = plan.layout;
    const memory = new MemoryStateStore();
    const open = (partition: number): ReturnType<MemoryStateStore['open']> => memory.open({ topic: 't', partition });
    const sources = [
      { partition: 0, store: await open(0) },
      { partition: 1, store: await open(1) },
    ];
    const parts = [historyOf(layout, [10, 30, 50], [30, 70]), historyOf(layout, [20, 40], [20])];
    for (const [k, { store }] of sources.entries()) {
      await store.flush({
        expectedWatermark: null,
        watermark: 100,
        fingerprint,
        note: 'n',
        keys: [KEY],
        blobs: [encodeHistory(parts[k]!)],
      });
    }
    const stage = await open(2);
    const rules = { layout: plan.layout, targetOf: () => 0, isShifted: () => true };
    expect((await stageHistories(sources, [stage], rules)).merged).toBe(1);
    const blob = (await allBlobs(stage)).get(KEY)!;
    const { rows, pendingLabels } = decodeHistory(blob, layout, scratch);
    const all = Array.from({ length: rows.length }, (_, row) => row + rows.start);
    expect(all.map((row) => rows.amountMinor(row))).toEqual([10, 20, 30, 40, 50]);
    expect(all.map((row) => rows.kept(row, 0) / 1_000_000)).toEqual([10, 20, 30, 40, 50]);
    expect(all.filter((row) => rows.label(row) === LABEL.fraud).map((row) => rows.amountMinor(row))).toEqual([20, 30]);
    expect(pendingLabels?.labels.map(({ transactionHash }) => transactionHash)).toEqual([70]);
  });
});
