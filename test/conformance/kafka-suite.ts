import { afterAll, describe, expect, it } from 'vitest';
import type { TopicPartition } from '../../src/transport/transactions.ts';
import type { KafkaBackend } from './kafka-backend.ts';
import { outcomeOf, RECORD_TIME_MS, TransactionDriver } from './kafka-transaction.ts';

/**
 * What a Kafka must do that the delivery protocol relies on, and what it must not be trusted with: one suite for real
 * brokers and for the model that the simulation uses, so that the model cannot be kinder than Kafka is. E0–E6 are the
 * experiments whose results shaped the protocol.
 */
export function kafkaSuite(name: string, makeBackend: () => KafkaBackend): void {
  describe(`kafka: ${name}`, () => {
    const backend = makeBackend();
    const run = `conf-${process.pid}-${Date.now()}`;
    let serial = 0;

    afterAll(() => backend.close());

    const newName = (what: string): string => `${run}-${what}-${serial++}`;

    async function newPlace(): Promise<TopicPartition> {
      const topic = newName('topic');
      await backend.createTopic(topic, 1);
      return { topic, partition: 0 };
    }

    async function newProducer(id = newName('id'), timeoutMs?: number): Promise<TransactionDriver> {
      const driver = new TransactionDriver(backend, id, timeoutMs);
      await driver.init();
      return driver;
    }

    const valuesOf = async (place: TopicPartition, from = 0): Promise<string[]> =>
      (await backend.read(place, from)).map(({ value }) => String(value));

    /** Answers come before markers do: what must be so in the end, within 5 s. */
    async function soon(assertion: () => Promise<void>): Promise<void> {
      for (let tries = 0; tries < 100; tries++) {
        try {
          await assertion();
          return;
        } catch {
          await backend.wait(50);
        }
      }
      await assertion();
    }

    const settled = (place: TopicPartition, stable: number): Promise<void> =>
      soon(async () => expect((await backend.range(place)).stable).toBe(stable));

    describe('transactions and the log', () => {
      it('a committed transaction is seen, and its marker takes an offset', async () => {
        const place = await newPlace();
        const producer = await newProducer();
        await producer.write(place, 0, ['a', 'b']);
        await settled(place, 3);
        await producer.write(place, 2, ['c']);
        await settled(place, 5);
        const records = await backend.read(place, 0);
        expect(records.map(({ offset, value }) => `${offset}:${String(value)}`)).toEqual(['0:a', '1:b', '3:c']);
        expect(records[0]).toMatchObject({ ...place, timestampMs: RECORD_TIME_MS });
        expect(await backend.range(place)).toEqual({ start: 0, end: 5, stable: 5 });
        expect(await valuesOf(place, 1)).toEqual(['b', 'c']);
        expect(await valuesOf(place, 5)).toEqual([]);
      });

      it('an aborted one is not, and takes as many offsets', async () => {
        const place = await newPlace();
        const producer = await newProducer();
        await producer.write(place, 0, ['a', 'b'], false);
        await settled(place, 3);
        await producer.write(place, 2, ['c']);
        await settled(place, 5);
        expect(await valuesOf(place)).toEqual(['c']);
      });

      it('an open one holds back all that follows it, whoever wrote it', async () => {
        const place = await newPlace();
        const [first, second] = [await newProducer(), await newProducer()];
        await second.write(place, 0, ['before']);
        await settled(place, 2);
        await first.add(place);
        await first.produce(place, 0, 'open');
        await second.write(place, 1, ['behind']);
        await soon(async () => expect(await backend.range(place)).toEqual({ start: 0, end: 5, stable: 2 }));
        expect(await valuesOf(place)).toEqual(['before']);
        await first.end(true);
        await settled(place, 6);
        expect(await valuesOf(place)).toEqual(['before', 'open', 'behind']);
      });

      it('a partition that was added and never written gets a marker all the same', async () => {
        const place = await newPlace();
        const producer = await newProducer();
        await producer.add(place);
        await producer.end(true);
        await settled(place, 1);
        expect((await backend.range(place)).end).toBe(1);
      });

      it('E2: aborted transactions come in the order in which they ended, and none of their records leaks', async () => {
        const place = await newPlace();
        const [first, second, third] = [await newProducer(), await newProducer(), await newProducer()];
        for (const producer of [first, second, third]) await producer.add(place);
        await first.produce(place, 0, 'a0');
        await second.produce(place, 0, 'b0');
        await third.produce(place, 0, 'c0');
        await first.produce(place, 1, 'a1');
        await second.produce(place, 1, 'b1');
        await second.end(false);
        await soon(async () => expect((await backend.range(place)).end).toBe(6));
        await third.produce(place, 1, 'c1');
        await first.end(false);
        await soon(async () => expect((await backend.range(place)).end).toBe(8));
        await third.end(true);
        await settled(place, 9);
        const { aborted } = await backend.fetch(place, 0);
        const idOf = (producer: TransactionDriver): number => Number(producer.open.identity.producerId);
        expect(aborted).toEqual([
          { producerId: idOf(second), firstOffset: 1 },
          { producerId: idOf(first), firstOffset: 0 },
        ]);
        expect(await valuesOf(place)).toEqual(['c0', 'c1']);
        // From the middle of them: what had ended before it is not told.
        expect((await backend.fetch(place, 6)).aborted.map(({ firstOffset }) => firstOffset)).toEqual([0]);
        expect(await valuesOf(place, 4)).toEqual(['c1']);
      });
    });

    describe('sequence numbers', () => {
      it('E1: a batch of the next transaction is taken for one of the aborted: acknowledged, committed, lost', async () => {
        const place = await newPlace();
        const group = newName('group');
        const producer = await newProducer();
        await producer.write(place, 0, ['a', 'b'], false);
        await settled(place, 3);
        await producer.add(place);
        await producer.addOffsets(group);
        await producer.produce(place, 0, 'c', 'd');
        await producer.commitOffset(group, place, 2);
        await producer.end(true);
        await soon(async () => expect((await backend.range(place)).end).toBe(4));
        expect(await valuesOf(place)).toEqual([]);
        await soon(async () => expect(await backend.ledger(group).read(place.topic, 0)).toMatchObject({ offset: 2 }));
      });

      it('E1: under a new identity it is not', async () => {
        const place = await newPlace();
        const id = newName('id');
        const producer = await newProducer(id);
        await producer.add(place);
        await producer.produce(place, 0, 'a', 'b');
        const next = await newProducer(id);
        await next.write(place, 0, ['c', 'd']);
        await settled(place, 6);
        expect(await valuesOf(place)).toEqual(['c', 'd']);
      });

      it('an unequal batch under a used sequence is refused', async () => {
        const place = await newPlace();
        const producer = await newProducer();
        await producer.write(place, 0, ['a', 'b'], false);
        await producer.add(place);
        expect(await outcomeOf(producer.produce(place, 0, 'c'))).toBe('FS_KAFKA_FENCED');
      });

      it('the last five batches are remembered, the one before them not', async () => {
        const place = await newPlace();
        const producer = await newProducer();
        await producer.add(place);
        for (let i = 0; i < 6; i++) await producer.produce(place, i, String(i));
        expect(await outcomeOf(producer.produce(place, 0, 'again'))).toBe('FS_KAFKA_FENCED');
        for (let i = 1; i < 6; i++) expect(await outcomeOf(producer.produce(place, i, 'again'))).toBe('ok');
        await producer.produce(place, 6, '6');
        await producer.end(true);
        await settled(place, 8);
        expect(await valuesOf(place)).toEqual(['0', '1', '2', '3', '4', '5', '6']);
      });

      it('a gap is refused, and what follows in order is not', async () => {
        const place = await newPlace();
        const producer = await newProducer();
        await producer.add(place);
        await producer.produce(place, 0, 'a');
        expect(await outcomeOf(producer.produce(place, 2, 'c'))).toBe('FS_KAFKA_FENCED');
        await producer.produce(place, 1, 'b');
        await producer.end(true);
        await settled(place, 3);
        expect(await valuesOf(place)).toEqual(['a', 'b']);
      });

      it('a new epoch begins at 0', async () => {
        const place = await newPlace();
        const id = newName('id');
        await (await newProducer(id)).write(place, 0, ['a']);
        await settled(place, 2);
        const next = await newProducer(id);
        await next.add(place);
        expect(await outcomeOf(next.produce(place, 1, 'b'))).toBe('FS_KAFKA_FENCED');
        expect(await outcomeOf(next.produce(place, 0, 'b'))).toBe('ok');
      });

      it('they go on over transactions of one epoch', async () => {
        const place = await newPlace();
        const producer = await newProducer();
        await producer.write(place, 0, ['a']);
        await settled(place, 2);
        await producer.add(place);
        expect(await outcomeOf(producer.produce(place, 2, 'c'))).toBe('FS_KAFKA_FENCED');
      });

      it('a producer without transactions: a copy is acknowledged and not written, a gap is refused', async () => {
        const place = await newPlace();
        const id = await backend.newIdempotentId();
        await backend.produceIdempotent(place, 0, ['a', 'b'], id);
        await backend.produceIdempotent(place, 2, ['c'], id);
        await backend.produceIdempotent(place, 0, ['x', 'y'], id);
        await expect(backend.produceIdempotent(place, 4, ['e'], id)).rejects.toThrow();
        expect(await valuesOf(place)).toEqual(['a', 'b', 'c']);
        // Another id knows nothing of it: the same again is written twice.
        await backend.produceIdempotent(place, 0, ['a'], await backend.newIdempotentId());
        expect(await valuesOf(place)).toEqual(['a', 'b', 'c', 'a']);
      });
    });

    describe('identities', () => {
      it('E4: after a takeover every request of the old one is refused, and nothing of it is committed', async () => {
        const place = await newPlace();
        const other = await newPlace();
        const group = newName('group');
        const id = newName('id');
        const zombie = await newProducer(id);
        await zombie.add(place);
        await zombie.addOffsets(group);
        await zombie.produce(place, 0, 'a');
        await zombie.commitOffset(group, place, 1);
        const owner = await newProducer(id);
        expect(await outcomeOf(zombie.produce(place, 1, 'late'))).toBe('FS_KAFKA_FENCED');
        expect(await outcomeOf(zombie.produce(other, 0, 'late'))).toBe('FS_KAFKA_FENCED');
        expect(await outcomeOf(zombie.commitOffset(group, place, 2))).toBe('FS_KAFKA_FENCED');
        expect(await outcomeOf(zombie.add(place))).toBe('FS_KAFKA_FENCED');
        expect(await outcomeOf(zombie.addOffsets(group))).toBe('FS_KAFKA_FENCED');
        expect(await outcomeOf(zombie.end(true))).toBe('FS_KAFKA_FENCED');
        expect(await outcomeOf(zombie.end(false))).toBe('FS_KAFKA_FENCED');
        await owner.write(place, 0, ['b']);
        await settled(place, 4);
        expect(await valuesOf(place)).toEqual(['b']);
        expect(await backend.ledger(group).read(place.topic, 0)).toBeNull();
      });

      it('a takeover of an open transaction is refused as busy, and aborts it', async () => {
        const place = await newPlace();
        const id = newName('id');
        const first = await newProducer(id);
        await first.add(place);
        await first.produce(place, 0, 'a');
        const second = new TransactionDriver(backend, id);
        expect(await outcomeOf(second.initOnce())).toBe('FS_KAFKA_BUSY');
        await second.init();
        await settled(place, 2);
        expect(await valuesOf(place)).toEqual([]);
      });

      it('each init makes the one before it void, with the same producer id and a later epoch', async () => {
        const id = newName('id');
        const [first, second] = [await newProducer(id), await newProducer(id)];
        expect(second.open.identity.producerId).toBe(first.open.identity.producerId);
        expect(second.open.identity.epoch).toBe(first.open.identity.epoch + 1);
        expect(await outcomeOf(first.addOffsets(newName('group')))).toBe('FS_KAFKA_FENCED');
        const other = await newProducer();
        expect(other.open.identity.producerId).not.toBe(first.open.identity.producerId);
      });

      it('a producer id that is not that of the transactional id is refused', async () => {
        const place = await newPlace();
        const [mine, foreign] = [await newProducer(), await newProducer()];
        mine.transaction = { ...mine.open, identity: foreign.open.identity };
        expect(await outcomeOf(mine.add(place))).toBe('FS_KAFKA_FENCED');
        expect(await outcomeOf(mine.end(true))).toBe('FS_KAFKA_FENCED');
      });

      it('E5: a hung transaction holds readers back for its timeout and until the next scan; then its identity is void', async () => {
        const place = await newPlace();
        const hung = await newProducer(newName('id'), 2_000);
        const other = await newProducer();
        await hung.add(place);
        await hung.produce(place, 0, 'a');
        await other.write(place, 0, ['b']);
        await backend.wait(1_500);
        expect(await valuesOf(place)).toEqual([]);
        let waitedMs = 1_500;
        while ((await valuesOf(place)).length === 0 && waitedMs < 13_000) {
          await backend.wait(250);
          waitedMs += 250;
        }
        expect(waitedMs).toBeGreaterThanOrEqual(2_000);
        expect(waitedMs).toBeLessThanOrEqual(12_750);
        expect(await valuesOf(place)).toEqual(['b']);
        expect(await outcomeOf(hung.produce(place, 1, 'late'))).toBe('FS_KAFKA_FENCED');
        expect(await outcomeOf(hung.end(true))).toBe('FS_KAFKA_FENCED');
      });
    });

    describe('the states of a transaction', () => {
      it('what was not added is refused, and leaves nothing in the log', async () => {
        const [place, other] = [await newPlace(), await newPlace()];
        const group = newName('group');
        const producer = await newProducer();
        expect(await outcomeOf(producer.produce(place, 0, 'a'))).toBe('FS_KAFKA_FENCED');
        await producer.add(other);
        expect(await outcomeOf(producer.produce(place, 0, 'a'))).toBe('FS_KAFKA_FENCED');
        expect(await outcomeOf(producer.commitOffset(group, place, 1))).toBe('FS_KAFKA_FENCED');
        expect((await backend.range(place)).end).toBe(0);
        // After the end, what was added counts no more.
        await producer.add(place);
        await producer.produce(place, 0, 'a');
        await producer.end(true);
        await settled(place, 2);
        await soon(async () => expect(await outcomeOf(producer.produce(place, 1, 'b'))).toBe('FS_KAFKA_FENCED'));
        expect((await backend.range(place)).end).toBe(2);
      });

      it('the coordinator that answered the initialisation and each end is steady, for that id alone', async () => {
        const place = await newPlace();
        const [producer, other] = [await newProducer(), new TransactionDriver(backend, newName('id'))];
        expect([producer.isSteady, other.isSteady]).toEqual([true, false]);
        await producer.write(place, 0, ['a']);
        expect(producer.isSteady).toBe(true);
        await producer.add(place);
        expect([producer.isSteady, other.isSteady]).toEqual([true, false]);
      });

      it('an end without a begin is refused', async () => {
        const producer = await newProducer();
        expect(await outcomeOf(producer.end(true))).toBe('FS_KAFKA_FENCED');
        expect(await outcomeOf(producer.end(false))).toBe('FS_KAFKA_FENCED');
      });

      it('the same end again is accepted, the other one refused', async () => {
        const place = await newPlace();
        const producer = await newProducer();
        await producer.write(place, 0, ['a']);
        await settled(place, 2);
        expect(await outcomeOf(producer.end(true))).toBe('ok');
        expect(await outcomeOf(producer.end(false))).toBe('FS_KAFKA_FENCED');
        expect((await backend.range(place)).end).toBe(2);
        expect(await valuesOf(place)).toEqual(['a']);
      });

      it('the old protocol lets a late end finish the next transaction of the same epoch', async () => {
        const place = await newPlace();
        const producer = await newProducer();
        await producer.write(place, 0, ['a']);
        await settled(place, 2);
        await producer.add(place);
        await producer.produce(place, 1, 'half');
        expect(await outcomeOf(producer.end(true))).toBe('ok');
        await settled(place, 4);
        expect(await valuesOf(place)).toEqual(['a', 'half']);
      });

      it('partitions may be added again and later', async () => {
        const [place, other] = [await newPlace(), await newPlace()];
        const producer = await newProducer();
        await producer.add(place);
        await producer.produce(place, 0, 'a');
        await producer.add(place, other);
        await producer.produce(other, 0, 'b');
        await producer.end(true);
        await settled(place, 2);
        await settled(other, 2);
        expect([await valuesOf(place), await valuesOf(other)]).toEqual([['a'], ['b']]);
      });

      it('a topic or partition that is not there', async () => {
        const place = await newPlace();
        const producer = await newProducer();
        const missing = { topic: newName('missing'), partition: 0 };
        expect(await outcomeOf(producer.add(place, missing))).toBe('FS_KAFKA_TOPIC_MISSING');
        expect(await outcomeOf(producer.add({ ...place, partition: 7 }))).toBe('FS_KAFKA_TOPIC_MISSING');
        expect(await outcomeOf(producer.produce({ ...place, partition: 7 }, 0, 'a'))).toBe('FS_KAFKA_REFUSED');
        // One that was refused took the others with it.
        expect(await outcomeOf(producer.produce(place, 0, 'a'))).toBe('FS_KAFKA_FENCED');
      });

      it('too large a batch, and a timeout that no broker accepts', async () => {
        const place = await newPlace();
        const producer = await newProducer();
        await producer.add(place);
        expect(await outcomeOf(producer.produce(place, 0, 'x'.repeat(1_100_000)))).toBe('FS_OUTPUT_TOO_LARGE');
        await producer.produce(place, 0, 'a');
        await producer.end(true);
        const greedy = new TransactionDriver(backend, newName('id'), 1_000_000_000);
        expect(['FS_KAFKA_REFUSED', 'FS_KAFKA_UNAVAILABLE']).toContain(await outcomeOf(greedy.initOnce()));
      });
    });

    describe('offsets of a group', () => {
      const read = (group: string, place: TopicPartition) => backend.ledger(group).read(place.topic, place.partition);

      it('are there with the commit, with their metadata, and not before', async () => {
        const place = await newPlace();
        const group = newName('group');
        const producer = await newProducer();
        expect(await read(group, place)).toBeNull();
        await producer.addOffsets(group);
        await producer.commitOffset(group, place, 7, 'fs1 seven');
        expect(await read(group, place)).toBeNull();
        await producer.end(true);
        await soon(async () => expect(await read(group, place)).toEqual({ offset: 7, metadata: 'fs1 seven' }));
        await producer.addOffsets(group);
        await producer.commitOffset(group, place, 9, 'nine');
        expect(await read(group, place)).toEqual({ offset: 7, metadata: 'fs1 seven' });
        await producer.commitOffset(group, place, 10);
        await producer.end(true);
        await soon(async () => expect(await read(group, place)).toEqual({ offset: 10, metadata: '' }));
      });

      it('are not with an abort', async () => {
        const place = await newPlace();
        const group = newName('group');
        const producer = await newProducer();
        await producer.addOffsets(group);
        await producer.commitOffset(group, place, 7);
        await producer.end(false);
        await producer.addOffsets(group);
        await producer.end(true);
        await producer.init();
        expect(await read(group, place)).toBeNull();
      });

      it('E6: once the identity is fenced, they are exact', async () => {
        const place = await newPlace();
        const group = newName('group');
        const id = newName('id');
        for (let offset = 1; offset <= 20; offset++) {
          const producer = await newProducer(id);
          await producer.addOffsets(group);
          await producer.commitOffset(group, place, offset);
          await producer.end(true);
          await newProducer(id);
          expect(await read(group, place)).toMatchObject({ offset });
        }
      });

      it('a commit that came later than what a transaction stored is not undone by it', async () => {
        const place = await newPlace();
        const group = newName('group');
        const producer = await newProducer();
        await producer.addOffsets(group);
        await producer.commitOffset(group, place, 7, 'transaction');
        await backend.ledger(group).commit(place.topic, 0, 3, 'operator');
        await producer.end(true);
        await producer.init();
        expect(await read(group, place)).toEqual({ offset: 3, metadata: 'operator' });
      });

      it('E3: retention, and what befalls another group, leave them alone', async () => {
        const place = await newPlace();
        const [ledger, membership] = [newName('ledger'), newName('membership')];
        const producer = await newProducer();
        await producer.add(place);
        await producer.addOffsets(ledger);
        await producer.produce(place, 0, 'a', 'b', 'c');
        await producer.commitOffset(ledger, place, 1, 'fs1');
        await producer.end(true);
        await settled(place, 4);
        await backend.deleteRecords(place, 3);
        await backend.ledger(membership).commit(place.topic, 0, -2);
        expect(await backend.range(place)).toEqual({ start: 3, end: 4, stable: 4 });
        expect(await outcomeOf(backend.fetch(place, 1))).toBe('FS_OFFSET_OUT_OF_RANGE');
        expect(await outcomeOf(backend.fetch(place, 5))).toBe('FS_OFFSET_OUT_OF_RANGE');
        await soon(async () => expect(await read(ledger, place)).toEqual({ offset: 1, metadata: 'fs1' }));
        expect(await read(membership, place)).toBeNull();
      });

      it('go with their group, and with their topic', async () => {
        const [place, other] = [await newPlace(), await newPlace()];
        const group = newName('group');
        await backend.ledger(group).commit(place.topic, 0, 3);
        await backend.ledger(group).commit(other.topic, 0, 4);
        await backend.deleteTopic(other.topic);
        await soon(async () => expect(await read(group, other)).toBeNull());
        expect(await read(group, place)).toMatchObject({ offset: 3 });
        await backend.deleteGroup(group);
        expect(await read(group, place)).toBeNull();
      });
    });

    describe('topics', () => {
      it('have an id that a new one of the same name does not have, and a number of partitions', async () => {
        const { topic } = await newPlace();
        const before = await backend.identity(topic);
        expect(before).toMatchObject({ partitions: 1, compacted: false });
        expect(before.clusterId).not.toBe('');
        await backend.addPartitions(topic, 3);
        await soon(async () => expect(await backend.identity(topic)).toEqual({ ...before, partitions: 3 }));
        await backend.deleteTopic(topic);
        await soon(async () => expect(await outcomeOf(backend.identity(topic))).toBe('FS_KAFKA_TOPIC_MISSING'));
        await soon(() => backend.createTopic(topic, 3));
        const after = await backend.identity(topic);
        expect(after.topicId).not.toBe(before.topicId);
        expect(after).toEqual({ ...before, partitions: 3, topicId: after.topicId });
      });

      it('a transaction over one that is deleted meanwhile still ends', async () => {
        const [place, other] = [await newPlace(), await newPlace()];
        const producer = await newProducer();
        await producer.add(place, other);
        await producer.produce(place, 0, 'a');
        await producer.produce(other, 0, 'b');
        await backend.deleteTopic(other.topic);
        await producer.end(true);
        await settled(place, 2);
        await producer.init();
        expect(await valuesOf(place)).toEqual(['a']);
      });

      it('retention may cut a transaction in two', async () => {
        const place = await newPlace();
        const [first, second] = [await newProducer(), await newProducer()];
        await first.add(place);
        await second.add(place);
        await first.produce(place, 0, 'a0', 'a1');
        await second.produce(place, 0, 'b0');
        await first.produce(place, 2, 'a2');
        await first.end(false);
        await second.end(true);
        await settled(place, 6);
        await backend.deleteRecords(place, 1);
        expect(await valuesOf(place, 1)).toEqual(['b0']);
        expect((await backend.fetch(place, 1)).logStartOffset).toBe(1);
        await backend.deleteRecords(place, 6);
        expect(await backend.range(place)).toEqual({ start: 6, end: 6, stable: 6 });
        expect(await valuesOf(place, 6)).toEqual([]);
      });
    });

    describe('members', () => {
      const SESSION_MS = 6_000;

      it('a second member calls for another round, which the first learns by its heartbeat', async () => {
        const topic = newName('topic');
        await backend.createTopic(topic, 2);
        const group = newName('group');
        const [first, second] = [backend.member(group, topic, SESSION_MS), backend.member(group, topic, SESSION_MS)];
        const alone = await first.join();
        expect(alone.assigned.map(({ partition }) => partition)).toEqual([0, 1]);
        expect(await first.heartbeat(alone)).toBe('alive');
        await first.confirm(alone);
        const joining = second.join();
        await soon(async () => expect(await first.heartbeat(alone)).toBe('rebalance'));
        expect(await outcomeOf(first.confirm(alone))).toBe('FS_KAFKA_FENCED');
        const [one, two] = await Promise.all([first.join(), joining]);
        expect(one.id).toBe(two.id);
        expect(one.id).toBeGreaterThan(alone.id);
        expect([...one.assigned, ...two.assigned].map(({ partition }) => partition).sort()).toEqual([0, 1]);
        expect(await first.heartbeat(alone)).toBe('lost');
        expect(await outcomeOf(first.commit(alone, { topic, partition: 0 }, 1))).toBe('FS_KAFKA_FENCED');
        await first.commit(one, { topic, partition: 0 }, 1);
        await second.leave();
        await soon(async () => expect(await first.heartbeat(one)).toBe('rebalance'));
        expect((await first.join()).assigned).toHaveLength(2);
        await first.leave();
      });

      it('who is silent for the session timeout is dropped, and learns it when it comes back', async () => {
        const topic = newName('topic');
        await backend.createTopic(topic, 1);
        const group = newName('group');
        const [zombie, heir] = [backend.member(group, topic, SESSION_MS), backend.member(group, topic, SESSION_MS)];
        const old = await zombie.join();
        const joining = heir.join();
        joining.catch(() => undefined);
        let waitedMs = 0;
        let heirOf: Awaited<typeof joining> | null = null;
        void joining.then((generation) => (heirOf = generation));
        while (heirOf === null && waitedMs < 4 * SESSION_MS) {
          await backend.wait(500);
          waitedMs += 500;
        }
        expect(waitedMs).toBeGreaterThan(SESSION_MS - 1_000);
        const owned = await joining;
        expect(owned.assigned).toHaveLength(1);
        expect(await zombie.heartbeat(old)).toBe('lost');
        expect(await heir.heartbeat(owned)).toBe('alive');
        await heir.leave();
      });

      it('an operator cannot move the offsets of a group that has members; a transaction can', async () => {
        const place = await newPlace();
        const group = newName('group');
        const member = backend.member(group, place.topic, SESSION_MS);
        const generation = await member.join();
        const ledger = backend.ledger(group);
        expect(await outcomeOf(ledger.commit(place.topic, 0, 5))).toBe('FS_KAFKA_FENCED');
        const producer = await newProducer();
        await producer.addOffsets(group);
        await producer.commitOffset(group, place, 6);
        await producer.end(true);
        await soon(async () => expect(await ledger.read(place.topic, 0)).toMatchObject({ offset: 6 }));
        expect(await member.heartbeat(generation)).toBe('alive');
        await member.leave();
        await ledger.commit(place.topic, 0, 5);
        expect(await ledger.read(place.topic, 0)).toMatchObject({ offset: 5 });
      });
    });
  });
}
