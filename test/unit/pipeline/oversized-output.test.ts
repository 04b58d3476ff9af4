import { describe, expect, it } from 'vitest';
import { FraudstreamError } from '../../../src/domain/errors.ts';
import { MemorySink } from '../../../src/transport/memory/memory-sink.ts';
import { good, input, workerWith } from './worker-harness.ts';

const TRUNCATED = 'fraudstream.payload.truncated';
const tooLarge = (): FraudstreamError => new FraudstreamError('FS_OUTPUT_TOO_LARGE', 'dead-letter/0');

describe('an output that its topic refuses for its size', () => {
  const huge = Buffer.alloc(2_000_000, 7);
  const batch = { topic: 'transactions', partition: 0, records: input([good, huge]), highWatermark: 2 };

  it('is cut when it is a dead letter, and the others are written with it', async () => {
    const sink = new MemorySink();
    const commits: number[] = [];
    const worker = await workerWith(sink, commits);
    sink.failNext(tooLarge());
    await worker.handle(batch, 2);
    expect(commits).toEqual([2]);
    expect(sink.of('decisions')).toHaveLength(1);
    const [letter] = sink.of('dead-letter');
    expect(letter?.value?.equals(huge.subarray(0, 900_000))).toBe(true);
    expect(letter?.key).toEqual(Buffer.from('u_1'));
    expect(String(letter?.headers?.[TRUNCATED])).toBe('2000000');
    expect(String(letter?.headers?.['traceparent'])).toBe('00-1');
    expect(String(letter?.headers?.['fraudstream.error.code'])).toBe('FS_RECORD_TOO_LARGE');
  });

  it('is cut further where the topic allows less, and still says how many bytes came in', async () => {
    const sink = new MemorySink();
    const commits: number[] = [];
    const worker = await workerWith(sink, commits);
    for (let k = 0; k < 3; k++) sink.failNext(tooLarge());
    await worker.handle(batch, 2);
    const [letter] = sink.of('dead-letter');
    expect(letter?.value).toHaveLength(0);
    expect(String(letter?.headers?.[TRUNCATED])).toBe('2000000');
    expect(commits).toEqual([2]);
  });

  it('is an error when cutting does not help, and nothing is committed', async () => {
    const sink = new MemorySink();
    const commits: number[] = [];
    const worker = await workerWith(sink, commits);
    for (let k = 0; k < 4; k++) sink.failNext(tooLarge());
    await expect(worker.handle(batch, 2)).rejects.toMatchObject({ code: 'FS_OUTPUT_TOO_LARGE' });
    expect(commits).toEqual([]);
  });

  it('is not cut when it fits', async () => {
    const sink = new MemorySink();
    const worker = await workerWith(sink, []);
    await worker.handle(batch, 2);
    const [letter] = sink.of('dead-letter');
    expect(letter?.value?.equals(huge)).toBe(true);
    expect(Object.keys(letter?.headers ?? {})).not.toContain(TRUNCATED);
  });
});
