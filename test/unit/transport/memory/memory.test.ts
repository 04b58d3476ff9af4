import { describe, expect, it } from 'vitest';
import { MemorySink } from '../../../../src/transport/memory/memory-sink.ts';
import { MemorySource } from '../../../../src/transport/memory/memory-source.ts';
import type { InputBatch, OutputRecord } from '../../../../src/transport/record.ts';

const batch = (offset: number): InputBatch => ({
  topic: 't',
  partition: 0,
  records: [{ topic: 't', partition: 0, offset, timestampMs: -1, key: null, value: null, headers: null }],
  highWatermark: -1,
});

const record = (value: string): OutputRecord => ({
  stream: 'decisions',
  partition: 0,
  key: Buffer.from('k'),
  value: Buffer.from(value),
  headers: { h: [Buffer.from('1'), Buffer.from('2')] },
  timestampMs: 1,
});

describe('MemorySource', () => {
  it('waits for batches and ends', async () => {
    const source = new MemorySource([batch(0)]);
    expect((await source.read())?.batch).toEqual(batch(0));
    const waiting = source.read();
    source.push(batch(1));
    expect((await waiting)?.progress).toBe(1);
    const last = source.read();
    source.end();
    expect(await last).toBeNull();
    expect(await source.read()).toBeNull();
    expect(() => source.push(batch(2))).toThrow();
  });

  it('aborts readers, waiting and to come', async () => {
    const source = new MemorySource();
    const waiting = source.read();
    source.abort(new Error('gone'));
    await expect(waiting).rejects.toThrow('gone');
    await expect(source.read()).rejects.toThrow('gone');
  });
});

describe('MemorySink', () => {
  it('keeps copies', async () => {
    const sink = new MemorySink();
    const one = record('a');
    await sink.write([one]);
    one.value!.fill(0);
    expect(sink.of('decisions')).toEqual([record('a')]);
    expect(sink.of('flagged')).toEqual([]);
  });

  it('fails and stalls when told', async () => {
    const sink = new MemorySink();
    sink.failNext(new Error('full'), 1);
    await expect(sink.write([record('a'), record('b')])).rejects.toThrow('full');
    expect(sink.records).toEqual([record('a')]);
    sink.hold();
    const held = sink.write([record('c')]);
    await Promise.resolve();
    expect(sink.records).toHaveLength(1);
    sink.release();
    await held;
    expect(sink.records).toHaveLength(2);
    await sink.close();
    await expect(sink.write([])).rejects.toThrow();
  });
});
