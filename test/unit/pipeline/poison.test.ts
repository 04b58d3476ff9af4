import { describe, expect, it } from 'vitest';
import { SILENT_LOGGER } from '../../../src/domain/logger.ts';
import { Attempts } from '../../../src/pipeline/attempts.ts';
import { ScriptedStore } from '../../support/pipeline-store.ts';
import { engineOf } from '../../support/pipeline-engine.ts';
import { recordOf, settle, World } from '../../support/pipeline-world.ts';

/** One life of a process: begins at an offset; `null` in `trying` = it ended with whole batches in hand. */
async function life(store: ScriptedStore, processId: string, offset: number, trying: number | null = null) {
  const attempts = new Attempts(store, processId, SILENT_LOGGER);
  const poison = await attempts.begin(offset);
  if (trying !== null) await attempts.trying(trying, offset);
  return { attempts, poison };
}

describe('attempts', () => {
  it('one death, and each record is noted; two, and they are taken singly; the third with the same one in hand names it', async () => {
    const store = await ScriptedStore.open();
    expect((await life(store, 'p1', 10)).attempts.care).toBe('whole');
    expect(await life(store, 'p2', 10, 12)).toMatchObject({ poison: -1, attempts: { care: 'noted' } });
    expect(await life(store, 'p3', 10, 12)).toMatchObject({ poison: -1, attempts: { care: 'single' } });
    expect((await life(store, 'p4', 10)).poison).toBe(12);
  });

  it('a record that was in hand at one death only is not named', async () => {
    const store = await ScriptedStore.open();
    await life(store, 'p1', 10);
    for (let k = 0; k < 9; k++) expect((await life(store, `q${k}`, 10, 11 + (k % 2))).poison).toBe(-1);
  });

  it('two deaths are not enough, even with the same record in hand', async () => {
    const store = await ScriptedStore.open();
    await life(store, 'p1', 10, 12);
    expect((await life(store, 'p2', 10, 12)).poison).toBe(-1);
    expect((await life(store, 'p3', 10, 12)).poison).toBe(-1);
    expect((await life(store, 'p4', 10)).poison).toBe(12);
  });

  it('a death of whole batches never names a record', async () => {
    const store = await ScriptedStore.open();
    for (let k = 0; k < 9; k++) expect((await life(store, `p${k}`, 10)).poison).toBe(-1);
  });

  it('beginning again in the same process is no death', async () => {
    const store = await ScriptedStore.open();
    for (let k = 0; k < 5; k++) {
      expect(await life(store, 'p1', 10, 10)).toMatchObject({ poison: -1, attempts: { care: 'whole' } });
    }
    for (let k = 0; k < 5; k++) {
      expect(await life(store, 'p2', 10, 10)).toMatchObject({ poison: -1, attempts: { care: 'noted' } });
    }
  });

  it('a process that comes back has not ended: its name is taken out', async () => {
    const store = await ScriptedStore.open();
    await life(store, 'p1', 10, 10);
    await life(store, 'p2', 10, 10);
    // p1 had only lost the partition: p2 alone may have ended, and the record in its hand is suspect for p2's end alone.
    expect(await life(store, 'p1', 10, 10)).toMatchObject({ poison: -1, attempts: { care: 'noted' } });
    expect(await life(store, 'p2', 10, 10)).toMatchObject({ poison: -1, attempts: { care: 'noted' } });
    expect(await life(store, 'p3', 10, 10)).toMatchObject({ poison: -1, attempts: { care: 'single' } });
    expect(await life(store, 'p2', 10)).toMatchObject({ poison: -1, attempts: { care: 'single' } });
  });

  it('an owner that had moved on before it ended has died where it was', async () => {
    const store = await ScriptedStore.open();
    const first = await life(store, 'p1', 10);
    first.attempts.survived();
    await settle();
    expect(await life(store, 'p2', 17, 18)).toMatchObject({ poison: -1, attempts: { care: 'noted' } });
    expect(await life(store, 'p3', 17, 18)).toMatchObject({ poison: -1, attempts: { care: 'single' } });
    expect((await life(store, 'p4', 17)).poison).toBe(18);
  });

  it('a position that moved forgets the deaths before it, and suspects behind it', async () => {
    const store = await ScriptedStore.open();
    await life(store, 'p1', 10, 10);
    await life(store, 'p2', 10, 10);
    expect(await life(store, 'p3', 11, 11)).toMatchObject({ poison: -1, attempts: { care: 'noted' } });
    expect(await life(store, 'p4', 12)).toMatchObject({ poison: -1, attempts: { care: 'noted' } });
  });

  it('goes with the position while records are taken singly', async () => {
    const store = await ScriptedStore.open();
    await life(store, 'p1', 10);
    await life(store, 'p2', 10, 11);
    const { attempts } = await life(store, 'p3', 10, 10);
    await attempts.outlived();
    attempts.survived();
    expect(attempts.care).toBe('single');
    await attempts.trying(11, 11);
    expect((await life(store, 'p4', 11)).poison).toBe(11);
  });

  it('a record that was outlived is not in hand', async () => {
    const store = await ScriptedStore.open();
    await life(store, 'p1', 10);
    const { attempts } = await life(store, 'p2', 10, 11);
    await attempts.outlived();
    await life(store, 'p3', 10, 11);
    expect((await life(store, 'p4', 10)).poison).toBe(-1);
  });

  it('care ends behind as many records as a batch may have had, and the note with the partition', async () => {
    const store = await ScriptedStore.open();
    await life(store, 'p1', 10);
    const { attempts } = await life(store, 'p2', 10);
    for (let record = 10; record < 2_009; record++) await attempts.trying(record, record);
    attempts.survived();
    expect(attempts.care).toBe('noted');
    await attempts.trying(2_009, 2_009);
    attempts.survived();
    expect(attempts.care).toBe('whole');
    await settle();
    expect(JSON.parse((await store.readAttempt())!)).toMatchObject({ deaths: [], trying: -1, suspect: null });
    await attempts.end();
    expect(await store.readAttempt()).toBeNull();
  });

  it.each(['', 'x', 'null', '7', '{}', '{"offset":10,"deaths":"9","trying":10}'])(
    'begins anew after a note like %j',
    async (text) => {
      const store = await ScriptedStore.open();
      await store.writeAttempt(text);
      expect(await life(store, 'p1', 10)).toMatchObject({ poison: -1, attempts: { care: 'whole' } });
    },
  );

  it('a store that is away fails the acquisition', async () => {
    const store = await ScriptedStore.open();
    store.fail('readAttempt', 'before');
    await expect(life(store, 'p1', 10)).rejects.toMatchObject({ code: 'FS_STATE_UNAVAILABLE' });
    store.fail('writeAttempt', 'before');
    await expect(life(store, 'p1', 10)).rejects.toMatchObject({ code: 'FS_STATE_UNAVAILABLE' });
  });
});

const DEADLY = 6;

/** The log up to `to` in batches; the process dies when the deadly record is to be decided. */
async function untilDeath(world: World, to: number): Promise<void> {
  let died = (): void => {};
  const death = new Promise<'died'>((resolve) => (died = () => resolve('died')));
  const engine = engineOf(world.plan, world.clock);
  const decide = engine.decide.bind(engine);
  engine.decide = (batch, histories) => {
    if (!batch.records.some(({ offset, failure }) => offset === DEADLY && !failure)) return decide(batch, histories);
    died();
    return new Promise(() => undefined);
  };
  const worker = world.worker({}, { engine });
  for (let at = await worker.acquire(); at < to; at += 5) {
    const next = Math.min(to, at + 5);
    const lived = worker.handle(world.batch(at, next), next).then(() => 'lived' as const);
    if ((await Promise.race([lived, death])) === 'died') return;
  }
}

describe('a record that ends the process again and again', () => {
  it('is put aside alone after three deaths, and stays put aside', async () => {
    const world = await World.of(10);
    for (let k = 0; k < 3; k++) await untilDeath(world, 10);
    // The first one had the batch from 5 in hand, and had moved on since it began; the third took records singly.
    expect(world.committedAt).toBe(DEADLY);
    expect(world.sink.of('dead-letter')).toEqual([]);
    await untilDeath(world, 10);
    expect(world.errors).toEqual(['a record has ended the process again and again: it is put aside']);
    expect(world.committedAt).toBe(10);
    const letters = world.sink.of('dead-letter');
    expect(letters).toHaveLength(1);
    expect(String(letters[0]!.headers!['fraudstream.error.code'])).toBe('FS_INPUT_POISON');
    expect(String(letters[0]!.headers!['__connect.errors.offset'])).toBe(String(DEADLY));
    expect(letters[0]!.value!.equals(recordOf(DEADLY).value!)).toBe(true);
    expect(world.sink.of('decisions')).toHaveLength(9);
    expect(world.position).toMatchObject({ poison: [DEADLY], offset: 10, lastDecision: 9 });
  });

  it('is left out also when the state is folded anew', async () => {
    const world = await World.of(10);
    for (let k = 0; k < 4; k++) await untilDeath(world, 10);
    expect(world.committedAt).toBe(10);
    await world.store.lose();
    const worker = world.worker();
    expect(await worker.acquire()).toBe(0);
    await world.handle(worker, 0, 10);
    const [entry] = await world.histories.load(['u_0']);
    // 0, 3 and 9 are in it, 6 is not
    expect(entry!.history.rows.length).toBe(3);
    expect(world.position).toMatchObject({ poison: [DEADLY] });
  });

  it('is not forgotten when the acquisition that puts it aside fails', async () => {
    const world = await World.of(10);
    for (let k = 0; k < 3; k++) await untilDeath(world, 10);
    const worker = world.worker();
    world.broker.fail('end', 'before');
    await expect(worker.acquire()).rejects.toMatchObject({ code: 'FS_KAFKA_UNAVAILABLE' });
    await worker.acquire();
    expect(world.position).toMatchObject({ poison: [DEADLY] });
  });

  it('is not forgotten when the process that puts it aside dies before it has said so', async () => {
    const world = await World.of(10);
    for (let k = 0; k < 3; k++) await untilDeath(world, 10);
    world.broker.fail('end', 'before');
    await expect(world.worker().acquire()).rejects.toMatchObject({ code: 'FS_KAFKA_UNAVAILABLE' });
    await world.worker().acquire();
    expect(world.position).toMatchObject({ poison: [DEADLY] });
  });

  it('given back in order, a partition has no deaths', async () => {
    const world = await World.of(10);
    for (let k = 0; k < 5; k++) {
      const worker = world.worker();
      await worker.acquire();
      await worker.release(true);
    }
    await settle();
    expect(await world.store.readAttempt()).toBeNull();
    expect(world.warnings).toEqual([]);
  });
});
