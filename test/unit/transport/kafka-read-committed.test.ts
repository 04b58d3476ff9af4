import { describe, expect, it } from 'vitest';
import { AbortedTransactions, type AbortedTransaction } from '../../../src/transport/kafka/read-committed.ts';
import { encodeBatch, sealBatch } from '../../../src/transport/kafka/record-batch-encode.ts';
import { RecordStream } from '../../../src/transport/kafka/record-stream.ts';

const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;

function batchAt(
  offset: number,
  producerId: number,
  attributes: number,
  values: Buffer[],
  key: Buffer | null = null,
): Buffer {
  const records = values.map((value) => ({ key, value, headers: null, timestampMs: 1 }));
  const { bytes } = encodeBatch(records, 1, 0, null);
  bytes.writeBigInt64BE(BigInt(offset), 0);
  bytes.writeInt16BE(attributes, 21);
  sealBatch(bytes, BigInt(producerId), 0, 0);
  return bytes;
}

const marker = (offset: number, producerId: number, commit: boolean): Buffer =>
  batchAt(offset, producerId, TRANSACTIONAL | CONTROL, [Buffer.alloc(6)], Buffer.from([0, 0, 0, commit ? 1 : 0]));

/** A log written by several transactional producers at once, and what a broker says about it. */
function randomLog(seed: number): {
  log: Buffer;
  aborted: AbortedTransaction[];
  committed: string[];
  all: number;
  end: number;
} {
  let state = seed;
  const next = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 4_294_967_296) * below);
  };
  const parts: Buffer[] = [];
  const aborted: AbortedTransaction[] = [];
  const open = new Map<number, { firstOffset: number; values: string[] }>();
  const outcomes: { values: string[]; committed: boolean }[] = [];
  let offset = 0;
  let all = 0;
  const order = new Map<string, number>();
  const write = (producerId: number, attributes: number): string[] => {
    const values = Array.from({ length: 1 + next(3) }, (_, i) => `${producerId}@${offset + i}`);
    // a data key that looks like an abort marker must not be taken for one
    const key = next(4) === 0 ? Buffer.from([0, 0, 0, 0]) : null;
    parts.push(
      batchAt(
        offset,
        producerId,
        attributes,
        values.map((value) => Buffer.from(value)),
        key,
      ),
    );
    for (const value of values) order.set(value, offset++);
    all += values.length;
    return values;
  };
  const finish = (producerId: number): void => {
    const transaction = open.get(producerId);
    if (transaction === undefined) return;
    const committed = next(2) === 0;
    parts.push(marker(offset++, producerId, committed));
    if (!committed) aborted.push({ producerId, firstOffset: transaction.firstOffset });
    outcomes.push({ values: transaction.values, committed });
    open.delete(producerId);
  };
  for (let step = 0; step < 60; step++) {
    const producerId = 1 + next(4);
    const what = next(10);
    if (what < 6) {
      const transaction = open.get(producerId) ?? { firstOffset: offset, values: [] };
      open.set(producerId, transaction);
      transaction.values.push(...write(producerId, TRANSACTIONAL));
    } else if (what < 7) {
      // the same producer id outside of a transaction cannot be; another one can
      outcomes.push({ values: write(9, 0), committed: true });
    } else {
      finish(producerId);
    }
  }
  for (const producerId of [1, 2, 3, 4]) finish(producerId);
  const committed = outcomes
    .flatMap(({ values, committed: kept }) => (kept ? values : []))
    .sort((a, b) => (order.get(a) as number) - (order.get(b) as number));
  return { log: Buffer.concat(parts), aborted, committed, all, end: offset };
}

async function readAll(stream: RecordStream): Promise<string[]> {
  const values: string[] = [];
  for (let taken = await stream.take(); taken !== null; taken = await stream.take()) {
    if (taken.kind !== 'records') throw new Error(taken.kind);
    for (const { value } of taken.records) values.push(String(value));
  }
  return values;
}

const options = { readCommitted: true, recordsMax: 5, bytesMax: 1_000_000 };

describe('read committed', () => {
  it('1,000 interleavings of four producers: exactly the committed records, in order', async () => {
    for (let seed = 1; seed <= 1_000; seed++) {
      const { log, aborted, committed, all, end } = randomLog(seed);
      const stream = new RecordStream('t', 0, 0, options);
      stream.push({ records: log, aborted, highWatermark: end });
      expect(await readAll(stream)).toEqual(committed);
      // it goes on behind the last marker, although that is no record
      expect(stream.position).toBe(end);
      const uncommitted = new RecordStream('t', 0, 0, { ...options, readCommitted: false });
      uncommitted.push({ records: log, aborted: [], highWatermark: end });
      expect((await readAll(uncommitted)).length).toBe(all);
    }
  }, 60_000);

  it('a fetch may begin within a transaction, and within a batch', async () => {
    for (let seed = 1; seed <= 200; seed++) {
      const { log, aborted, committed, end } = randomLog(seed);
      const from = seed % end;
      const stream = new RecordStream('t', 0, from, options);
      stream.push({ records: log, aborted, highWatermark: end });
      expect(await readAll(stream)).toEqual(committed.filter((value) => Number(value.split('@')[1]) >= from));
    }
  });

  it('transactions that the broker lists in the order of their ends are taken in the order of their begins', () => {
    const transactions = new AbortedTransactions([
      { producerId: 2, firstOffset: 50 },
      { producerId: 1, firstOffset: 10 },
    ]);
    const batch = (producerId: number, lastOffset: number) => ({ producerId, lastOffset, transactional: true });
    expect(transactions.isAborted(batch(1, 12))).toBe(true);
    expect(transactions.isAborted(batch(2, 20))).toBe(false);
    expect(transactions.isAborted(batch(2, 55))).toBe(true);
    transactions.marker({ producerId: 1, lastOffset: 60 }, false);
    expect(transactions.isAborted(batch(1, 61))).toBe(false);
    expect(transactions.isAborted(batch(2, 62))).toBe(true);
    expect(transactions.isAborted({ producerId: 2, lastOffset: 63, transactional: false })).toBe(false);
  });
});
