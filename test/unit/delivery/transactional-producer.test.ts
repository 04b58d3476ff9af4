import { describe, expect, it } from 'vitest';
import type { RecordTo } from '../../../src/delivery/transactional-producer.ts';
import type { OffsetToCommit } from '../../../src/transport/transactions.ts';
import { producerDesk, type ProducerDesk, type RequestName } from './scripted-requests.ts';

const POSITION: OffsetToCommit = { topic: 'transactions', partition: 0, offset: 7, metadata: 'fs1 …' };
const CALM = new AbortController().signal;
const IN_COMMIT: readonly RequestName[] = ['addPartitions', 'addOffsets', 'produce', 'commitOffset', 'end'];

function record(topic: string, valueBytes = 10, partition = 0): RecordTo {
  return { topic, partition, record: { key: null, value: Buffer.alloc(valueBytes), headers: null, timestampMs: 1 } };
}

async function fenced(options: Parameters<typeof producerDesk>[0] = {}): Promise<ProducerDesk> {
  const desk = producerDesk(options);
  await desk.producer.fence(CALM);
  desk.requests.events.length = 0;
  desk.requests.arguments.length = 0;
  return desk;
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a transaction', () => {
  it('announces, then writes the records, then the offset, then ends: each waits for the one before', async () => {
    const { producer, requests } = await fenced();
    const gates = IN_COMMIT.map((name) => {
      let open = (): void => {};
      requests.answer(name, new Promise<void>((resolve) => (open = resolve)));
      return open;
    });
    let committed = false;
    const done = producer.commit([record('decisions')], POSITION, CALM).then(() => (committed = true));
    await settle();
    expect([...requests.events].sort()).toEqual(['addOffsets', 'addPartitions']);
    gates[0]!();
    await settle();
    expect(requests.events).not.toContain('produce');
    gates[1]!();
    await settle();
    expect(requests.events.slice(4)).toEqual(['produce']);
    gates[2]!();
    await settle();
    expect(requests.events.slice(5)).toEqual(['produce done', 'commitOffset']);
    gates[3]!();
    await settle();
    expect(requests.events.at(-1)).toBe('end');
    expect(committed).toBe(false);
    gates[4]!();
    await done;
  });

  it('names its identity, its partitions once each, its group and its offset', async () => {
    const { producer, requests } = await fenced();
    await producer.commit([record('decisions'), record('flagged'), record('decisions')], POSITION, CALM);
    const transaction = { transactionalId: 'app-transactions-0', identity: { producerId: 9n, epoch: 0 } };
    const partitions = [
      { topic: 'decisions', partition: 0 },
      { topic: 'flagged', partition: 0 },
    ];
    const byName = new Map(requests.arguments.map(([name, ...rest]) => [name, rest]));
    expect(byName.get('addPartitions')).toEqual([transaction, partitions]);
    expect(byName.get('addOffsets')).toEqual([transaction, 'app.ledger']);
    expect(byName.get('commitOffset')).toEqual([transaction, 'app.ledger', POSITION]);
    expect(byName.get('end')).toEqual([transaction, true]);
  });

  it('without records writes the offset alone', async () => {
    const { producer, requests } = await fenced();
    await producer.commit([], POSITION, CALM);
    expect(requests.events.filter((one) => !one.endsWith('done'))).toEqual(['addOffsets', 'commitOffset', 'end']);
  });
});

describe('settling', () => {
  it('goes before and behind commits under one identity, and waits out a transaction that is being completed', async () => {
    const { producer, requests, pauses } = await fenced();
    requests.answer('addOffsets', 'FS_KAFKA_BUSY');
    await producer.settle([{ topic: 'a', partition: 0 }], false, CALM);
    expect(pauses).toHaveLength(1);
    await producer.commit([record('a')], POSITION, CALM);
    expect(requests.identities).toHaveLength(1);
    expect(requests.batches[0]![0]!.sequence).toBe(0);
  });

  it.each(['addPartitions', 'addOffsets'] as const)('is tried again while %s is not answered', async (name) => {
    const { producer, requests, pauses } = await fenced();
    requests.answer(name, ...Array<'FS_KAFKA_UNAVAILABLE'>(7).fill('FS_KAFKA_UNAVAILABLE'));
    await producer.settle([{ topic: 'a', partition: 0 }], true, CALM);
    expect(pauses).toEqual([50, 100, 200, 400, 800, 1_600, 2_000]);
    expect(requests.events.filter((one) => one === 'end')).toHaveLength(1);
    await producer.commit([], POSITION, CALM);
  });

  it('is tried again when its end is not answered; that one may come late, and its identity is thrown away', async () => {
    const { producer, requests } = await fenced();
    requests.answer('end', 'FS_KAFKA_UNAVAILABLE');
    await expect(producer.settle([{ topic: 'a', partition: 0 }], true, CALM)).rejects.toMatchObject({
      code: 'FS_KAFKA_UNAVAILABLE',
    });
    expect(requests.events.filter((one) => one === 'end done')).toHaveLength(1);
    await expect(producer.settle([], false, CALM)).rejects.toMatchObject({ code: 'FS_KAFKA_FENCED' });
  });

  it.each(['addPartitions', 'end'] as const)('throws its identity away when %s is refused', async (name) => {
    const { producer, requests, pauses } = await fenced();
    requests.answer(name, 'FS_KAFKA_FENCED');
    await expect(producer.settle([{ topic: 'a', partition: 0 }], true, CALM)).rejects.toMatchObject({
      code: 'FS_KAFKA_FENCED',
    });
    expect(pauses).toEqual([]);
    await expect(producer.commit([], POSITION, CALM)).rejects.toMatchObject({ code: 'FS_KAFKA_FENCED' });
  });

  it('gives up at the deadline of a fence, and when the partition is taken away', async () => {
    const { producer, requests, pauses } = await fenced({ fenceTimeoutMs: 5_000 });
    requests.answer('addOffsets', ...Array<'FS_KAFKA_UNAVAILABLE'>(1_000).fill('FS_KAFKA_UNAVAILABLE'));
    await expect(producer.settle([], true, CALM)).rejects.toMatchObject({ code: 'FS_KAFKA_UNAVAILABLE' });
    expect(pauses.reduce((sum, ms) => sum + ms, 0)).toBeLessThan(8_000);
    await producer.fence(CALM);
    const count = pauses.length;
    await expect(producer.settle([], true, AbortSignal.abort())).rejects.toMatchObject({
      code: 'FS_KAFKA_UNAVAILABLE',
    });
    expect(pauses).toHaveLength(count);
  });
});

describe('a coordinator that may have died since the last end', () => {
  const EVERYWHERE = ['a', 'b'].map((topic) => ({ topic, partition: 0 }));

  async function settled(commits: number): Promise<ProducerDesk> {
    const desk = await fenced();
    await desk.producer.settle(EVERYWHERE, false, CALM);
    for (let k = 0; k < commits; k++) await desk.producer.commit([record('a')], POSITION, CALM);
    desk.requests.events.length = 0;
    desk.requests.arguments.length = 0;
    return desk;
  }
  /** the partitions and the ends that were asked for, in order */
  const asked = ({ requests }: ProducerDesk): unknown[] =>
    requests.arguments.flatMap(([name, , what]) => (name === 'addPartitions' || name === 'end' ? [what] : []));

  it.each([
    [1, true],
    [0, false],
  ])(
    'the last transaction is ended again as it was, behind %i commits, before the next begins',
    async (commits, was) => {
      const desk = await settled(commits);
      desk.requests.steady.push(false);
      await desk.producer.commit([record('a')], POSITION, CALM);
      expect(asked(desk)).toEqual([EVERYWHERE, was, [{ topic: 'a', partition: 0 }], true]);
      expect(desk.requests.identities).toHaveLength(1);
      expect(desk.requests.batches.at(-1)![0]!.sequence).toBe(commits);
    },
  );

  it('also when it is noticed behind the beginning of the next: nothing is written before', async () => {
    const desk = await settled(1);
    desk.requests.steady.push(true, false, true, true);
    await desk.producer.commit([record('a')], POSITION, CALM);
    const next = [{ topic: 'a', partition: 0 }];
    expect(asked(desk)).toEqual([next, EVERYWHERE, true, next, true]);
  });

  it.each(['addPartitions', 'addOffsets'] as const)('also when %s is not answered', async (name) => {
    const desk = await settled(1);
    desk.requests.answer(name, 'FS_KAFKA_UNAVAILABLE');
    await desk.producer.commit([record('a')], POSITION, CALM);
    const next = [{ topic: 'a', partition: 0 }];
    expect(asked(desk)).toEqual([next, EVERYWHERE, true, next, true]);
  });

  it('a coordinator that goes away again and again is not waited for for ever', async () => {
    const desk = await settled(1);
    const written = desk.requests.batches.length;
    desk.requests.isSteady = () => {
      desk.clock.advance(10_000);
      return false;
    };
    await expect(desk.producer.commit([record('a')], POSITION, CALM)).rejects.toMatchObject({
      code: 'FS_KAFKA_UNAVAILABLE',
      message: expect.stringContaining('again and again') as string,
    });
    expect(desk.requests.batches).toHaveLength(written);
  });

  it('is not mended behind the first batch: it has completed the one before', async () => {
    const desk = await settled(1);
    desk.requests.answer('produce', 'FS_KAFKA_UNAVAILABLE');
    await expect(desk.producer.commit([record('a')], POSITION, CALM)).rejects.toMatchObject({
      code: 'FS_KAFKA_UNAVAILABLE',
    });
    expect(asked(desk)).toEqual([[{ topic: 'a', partition: 0 }]]);
  });

  it('nothing is written when the end of the mend was not answered, or the identity is refused', async () => {
    for (const code of ['FS_KAFKA_UNAVAILABLE', 'FS_KAFKA_FENCED'] as const) {
      const desk = await settled(1);
      const written = desk.requests.batches.length;
      desk.requests.steady.push(false);
      desk.requests.answer('end', code);
      await expect(desk.producer.commit([record('a')], POSITION, CALM)).rejects.toMatchObject({ code });
      expect(desk.requests.batches).toHaveLength(written);
      await expect(desk.producer.mend(CALM)).rejects.toMatchObject({ code: 'FS_KAFKA_FENCED' });
    }
  });

  it('can be mended without a transaction of its own; before anything was settled there is nothing to mend', async () => {
    const desk = await settled(1);
    desk.requests.steady.push(false);
    expect(desk.producer.isSteady).toBe(false);
    await desk.producer.mend(CALM);
    expect(asked(desk)).toEqual([EVERYWHERE, true]);
    await desk.producer.commit([record('a')], POSITION, CALM);
    await desk.producer.fence(CALM);
    desk.requests.steady.push(false);
    expect(desk.producer.isSteady).toBe(true);
    await expect(desk.producer.mend(CALM)).rejects.toMatchObject({ code: 'FS_KAFKA_FENCED' });
  });
});

describe('sequence numbers', () => {
  it('go on from transaction to transaction, by partition', async () => {
    const { producer, requests } = await fenced();
    await producer.commit([record('a'), record('b'), record('a')], POSITION, CALM);
    await producer.commit([record('b'), record('a'), record('a', 10, 1)], POSITION, CALM);
    const sequences = requests.batches.map((round) =>
      round.map(({ topic, partition, sequence, records }) => `${topic}/${partition} ${sequence}+${records.length}`),
    );
    expect(sequences).toEqual([
      ['a/0 0+2', 'b/0 0+1'],
      ['b/0 1+1', 'a/0 2+1', 'a/1 0+1'],
    ]);
  });

  it('begin anew with a new identity', async () => {
    const { producer, requests } = await fenced();
    await producer.commit([record('a'), record('a')], POSITION, CALM);
    await producer.fence(CALM);
    await producer.commit([record('a')], POSITION, CALM);
    expect(requests.batches.map((round) => round[0]!.sequence)).toEqual([0, 0]);
    expect(requests.arguments.at(-1)).toEqual([
      'end',
      expect.objectContaining({ identity: requests.identities[1] }),
      true,
    ]);
  });

  it('of a partition whose batch is too large go through several requests, one behind the other', async () => {
    const { producer, requests } = await fenced({ batchBytesMax: 1_000 });
    // 96 bytes are counted for each record itself: two of these fit, a third does not
    const records = [1, 2, 3, 4, 5].map(() => record('a', 400));
    await producer.commit([...records, record('b', 2_000), record('b', 1)], POSITION, CALM);
    expect(requests.batches.map((round) => round.map((one) => [one.topic, one.sequence, one.records.length]))).toEqual([
      [
        ['a', 0, 2],
        ['b', 0, 1],
      ],
      [
        ['a', 2, 2],
        ['b', 1, 1],
      ],
      [['a', 4, 1]],
    ]);
    const events = requests.events.filter((one) => one.startsWith('produce'));
    expect(events).toEqual(['produce', 'produce done', 'produce', 'produce done', 'produce', 'produce done']);
    await producer.commit([record('a')], POSITION, CALM);
    expect(requests.batches.at(-1)![0]!.sequence).toBe(5);
  });

  it('count keys and headers to the size of a batch', async () => {
    const { producer, requests } = await fenced({ batchBytesMax: 1_000 });
    const big = record('a', 0);
    const key = { ...big, record: { ...big.record, key: Buffer.alloc(950) } };
    const headers = {
      ...big,
      record: { ...big.record, headers: { h: [Buffer.alloc(450), Buffer.alloc(450)], i: Buffer.alloc(1) } },
    };
    await producer.commit([key, headers, big], POSITION, CALM);
    expect(requests.batches.map((round) => round.map((one) => one.records.length))).toEqual([[1], [1], [1]]);
  });

  it('are left before they could wrap: at 2^30 a new identity is asked for', async () => {
    const { producer, requests } = await fenced();
    Object.assign(producer, { records: 2 ** 30 - 1 });
    await producer.commit([record('a')], POSITION, CALM);
    const events = requests.events.length;
    await expect(producer.commit([record('a')], POSITION, CALM)).rejects.toMatchObject({
      code: 'FS_KAFKA_FENCED',
      message: expect.stringMatching(/numbered 1073741824 records: it is renewed/) as string,
    });
    expect(requests.events).toHaveLength(events);
    await producer.fence(CALM);
    await producer.commit([record('a')], POSITION, CALM);
    expect(requests.batches.at(-1)![0]!.sequence).toBe(0);
  });
});

describe('any error throws the identity away', () => {
  const cases = IN_COMMIT.flatMap((name) =>
    (['FS_KAFKA_UNAVAILABLE', 'FS_KAFKA_FENCED', 'FS_KAFKA_REFUSED', 'FS_OUTPUT_TOO_LARGE'] as const).map((code) => ({
      name,
      code,
    })),
  );
  it.each(cases)('$code of $name', async ({ name, code }) => {
    const { producer, requests, pauses } = await fenced();
    requests.answer(name, code);
    await expect(producer.commit([record('a')], POSITION, CALM)).rejects.toMatchObject({ code });
    expect(pauses).toEqual([]);
    // nothing is aborted, nothing is tried again
    const asked = requests.arguments.map(([one]) => one as RequestName);
    const expected = IN_COMMIT.slice(0, Math.max(2, IN_COMMIT.indexOf(name) + 1));
    expect([asked.slice(0, 2).sort(), asked.slice(2)]).toEqual([expected.slice(0, 2).sort(), expected.slice(2)]);
    const count = requests.events.length;
    await expect(producer.commit([record('a')], POSITION, CALM)).rejects.toMatchObject({ code: 'FS_KAFKA_FENCED' });
    expect(requests.events).toHaveLength(count);
    await producer.fence(CALM);
    await producer.commit([record('a')], POSITION, CALM);
    expect(requests.batches.at(-1)![0]!.sequence).toBe(0);
  });

  it('also an error that is none of ours', async () => {
    const { producer, requests } = await fenced();
    requests.answer('produce', new TypeError('x is not a function'));
    await expect(producer.commit([record('a')], POSITION, CALM)).rejects.toThrow(TypeError);
    await expect(producer.commit([], POSITION, CALM)).rejects.toMatchObject({ code: 'FS_KAFKA_FENCED' });
  });

  it.each([
    ['addPartitions', 'addOffsets'],
    ['addOffsets', 'addPartitions'],
  ] as const)('and %s that fails waits for %s: nothing stays on its way', async (failing, other) => {
    const { producer, requests } = await fenced();
    let open = (): void => {};
    requests.answer(failing, 'FS_KAFKA_UNAVAILABLE');
    requests.answer(other, new Promise<void>((resolve) => (open = resolve)));
    let ended = false;
    const done = producer.commit([record('a')], POSITION, CALM).catch(() => (ended = true));
    await settle();
    expect(ended).toBe(false);
    open();
    await done;
    expect(requests.events).not.toContain('produce');
  });

  it('while one is under way there is none', async () => {
    const { producer, requests } = await fenced();
    let open = (): void => {};
    requests.answer('end', new Promise<void>((resolve) => (open = resolve)));
    const first = producer.commit([], POSITION, CALM);
    await settle();
    await expect(producer.commit([], POSITION, CALM)).rejects.toMatchObject({ code: 'FS_KAFKA_FENCED' });
    open();
    await first;
  });

  it('before the first fence there is none', async () => {
    await expect(producerDesk().producer.commit([], POSITION, CALM)).rejects.toMatchObject({ code: 'FS_KAFKA_FENCED' });
  });
});

describe('a coordinator that is busy with the transaction before', () => {
  it.each(['addPartitions', 'addOffsets', 'commitOffset'] as const)(
    'is asked again by %s, a little later each time',
    async (name) => {
      const { producer, requests, pauses } = await fenced();
      requests.answer(name, ...Array<'FS_KAFKA_BUSY'>(21).fill('FS_KAFKA_BUSY'));
      await producer.commit([record('a')], POSITION, CALM);
      expect(pauses).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 20, 20]);
      await producer.commit([record('a')], POSITION, CALM);
    },
  );

  it.each(['produce', 'end'] as const)('is not asked again by %s', async (name) => {
    const { producer, requests, pauses } = await fenced();
    requests.answer(name, 'FS_KAFKA_BUSY');
    await expect(producer.commit([record('a')], POSITION, CALM)).rejects.toMatchObject({ code: 'FS_KAFKA_BUSY' });
    expect(pauses).toEqual([]);
  });

  it('longer than a transaction may take is an error', async () => {
    const { producer, requests, pauses } = await fenced({ transactionTimeoutMs: 1_000 });
    requests.answer('addOffsets', ...Array<'FS_KAFKA_BUSY'>(1_000).fill('FS_KAFKA_BUSY'));
    await expect(producer.commit([], POSITION, CALM)).rejects.toMatchObject({ code: 'FS_KAFKA_BUSY' });
    const waited = pauses.reduce((sum, ms) => sum + ms, 0);
    expect(waited).toBeGreaterThanOrEqual(1_000);
    expect(waited).toBeLessThan(1_030);
  });

  it('is not waited for when the partition is taken away', async () => {
    const { producer, requests, pauses } = await fenced();
    const stop = new AbortController();
    stop.abort();
    requests.answer('addOffsets', 'FS_KAFKA_BUSY');
    await expect(producer.commit([], POSITION, stop.signal)).rejects.toMatchObject({ code: 'FS_KAFKA_BUSY' });
    expect(pauses).toEqual([]);
  });
});

describe('the fence', () => {
  it('tells its id and how long a transaction may take', async () => {
    const { producer, requests } = producerDesk();
    await producer.fence(CALM);
    expect(requests.arguments).toEqual([['init', 'app-transactions-0', 10_000]]);
  });

  it('waits 20 ms for one that is busy, and longer each time, up to 2 s, for one that is away', async () => {
    const { producer, requests, pauses } = producerDesk();
    const away = Array<'FS_KAFKA_UNAVAILABLE'>(7).fill('FS_KAFKA_UNAVAILABLE');
    requests.answer('init', 'FS_KAFKA_BUSY', 'FS_KAFKA_BUSY', ...away, 'FS_KAFKA_BUSY');
    await producer.fence(CALM);
    expect(pauses).toEqual([20, 20, 50, 100, 200, 400, 800, 1_600, 2_000, 20]);
    await producer.commit([], POSITION, CALM);
  });

  it.each(['FS_KAFKA_BUSY', 'FS_KAFKA_UNAVAILABLE'] as const)('ends after 60 s of %s', async (code) => {
    const { producer, requests, clock } = producerDesk();
    requests.answer('init', ...Array<typeof code>(4_000).fill(code));
    const startMs = clock.monotonicMs();
    await expect(producer.fence(CALM)).rejects.toMatchObject({
      code: 'FS_KAFKA_UNAVAILABLE',
      message: expect.stringMatching(/initialisation of app-transactions-0 for 60000 ms/) as string,
    });
    const tookMs = clock.monotonicMs() - startMs;
    expect(tookMs).toBeGreaterThanOrEqual(60_000);
    expect(tookMs).toBeLessThanOrEqual(62_000);
    await expect(producer.commit([], POSITION, CALM)).rejects.toMatchObject({ code: 'FS_KAFKA_FENCED' });
  });

  it('a refusal ends it at once', async () => {
    const { producer, requests, pauses } = producerDesk();
    requests.answer('init', 'FS_KAFKA_REFUSED');
    await expect(producer.fence(CALM)).rejects.toMatchObject({ code: 'FS_KAFKA_REFUSED' });
    expect(pauses).toEqual([]);
  });

  it('is given up when the partition is taken away', async () => {
    const { producer, requests, pauses } = producerDesk();
    const stop = new AbortController();
    stop.abort();
    requests.answer('init', 'FS_KAFKA_BUSY');
    await expect(producer.fence(stop.signal)).rejects.toMatchObject({ code: 'FS_KAFKA_BUSY' });
    expect(pauses).toEqual([]);
  });
});
