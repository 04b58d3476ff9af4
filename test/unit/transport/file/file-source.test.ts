import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import avro from 'avsc';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SCHEMA_TEXTS, SCHEMA_TYPES } from '../../../../src/codec/schemas.ts';
import { createAvroTransactionDecoder } from '../../../../src/codec/transaction-decoder.ts';
import type { Label, Transaction } from '../../../../src/domain/transaction.ts';
import { simulateLabels } from '../../../../src/simulate/labels.ts';
import { simulate } from '../../../../src/simulate/simulate.ts';
import { openLabelFiles, openTransactionFiles } from '../../../../src/transport/file/file-source.ts';
import { createLabelFile, createTransactionFile } from '../../../../src/transport/file/payment-files.ts';
import type { InputRecord } from '../../../../src/transport/record.ts';
import type { Source } from '../../../../src/transport/source.ts';

const decoder = createAvroTransactionDecoder();
const events = [...simulate({ users: 500, days: 2 })];
const payments = events.map((event) => event.transaction);

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'file-source-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function readAll(source: Source): Promise<InputRecord[]> {
  const records: InputRecord[] = [];
  let progress = 0;
  for (let next = await source.read(); next !== null; next = await source.read()) {
    records.push(...next.batch.records);
    expect(next.progress).toBeGreaterThanOrEqual(progress);
    progress = next.progress;
    expect(next.progress).toBeLessThanOrEqual(1);
  }
  await source.close();
  expect(await source.read()).toBeNull();
  return records;
}

async function writePayments(name: string, format: 'avro' | 'jsonl', list: readonly Transaction[]): Promise<string> {
  const path = join(folder, name);
  const file = await createTransactionFile(path, format);
  for (const payment of list) await file.append(payment);
  await file.close();
  return path;
}

/** Decoded payments; undefined where the decoder refuses. */
function decodeAll(records: readonly InputRecord[]): (Transaction | undefined)[] {
  return records.map((record) => {
    try {
      return decoder.decode(record);
    } catch {
      return undefined;
    }
  });
}

/** A container file from raw blocks. */
function container(schema: string, codec: string, blocks: readonly { count: number; data: Buffer }[]): Buffer {
  const long = (n: number): Buffer => avro.Type.forSchema('long').toBuffer(n);
  const text = (s: string): Buffer => Buffer.concat([long(Buffer.byteLength(s)), Buffer.from(s)]);
  const sync = Buffer.from('0123456789abcdef');
  return Buffer.concat([
    Buffer.from('Obj\u0001', 'latin1'),
    long(2),
    text('avro.schema'),
    text(schema),
    text('avro.codec'),
    text(codec),
    long(0),
    sync,
    ...blocks.flatMap(({ count, data }) => [long(count), long(data.length), data, sync]),
  ]);
}

const encode = (payment: Transaction): Buffer => SCHEMA_TYPES.transaction.toBuffer(payment);
const blockOf = (list: readonly Transaction[]): { count: number; data: Buffer } => ({
  count: list.length,
  data: Buffer.concat(list.map(encode)),
});

describe('transaction files', () => {
  it.each(['avro', 'jsonl'] as const)('come back as written: %s', async (format) => {
    const first = await writePayments(`a.${format}`, format, payments.slice(0, 1_500));
    const second = await writePayments(`b.${format}`, format, payments.slice(1_500));
    const records = await readAll(await openTransactionFiles({ paths: [first, second], batchSize: 700 }));
    expect(decodeAll(records)).toEqual(payments);
    expect(records.map((record) => record.offset)).toEqual(payments.map((_, i) => i));
    const { topic, partition, timestampMs, key, headers } = records[0]!;
    expect({ topic, partition, timestampMs, key, headers }).toEqual({
      topic: 'transactions',
      partition: 0,
      timestampMs: -1,
      key: null,
      headers: null,
    });
  });

  it('come in batches of the asked size', async () => {
    const path = await writePayments('size.avro', 'avro', payments.slice(0, 1_001));
    const source = await openTransactionFiles({ paths: [path], batchSize: 250, topic: 'other' });
    const sizes: number[] = [];
    for (let next = await source.read(); next !== null; next = await source.read()) {
      sizes.push(next.batch.records.length);
      expect(next.batch.topic).toBe('other');
      expect(next.batch.highWatermark).toBe(-1);
    }
    expect(sizes).toEqual([250, 250, 250, 250, 1]);
    await source.close();
  });

  it('are read as another implementation writes them, null and deflate', async () => {
    for (const codec of ['null', 'deflate'] as const) {
      const path = join(folder, `foreign-${codec}.avro`);
      const encoder = new avro.streams.BlockEncoder(SCHEMA_TYPES.transaction, { codec });
      const chunks: Buffer[] = [];
      encoder.on('data', (chunk: Buffer) => chunks.push(chunk));
      const ended = new Promise((resolve) => encoder.on('end', resolve));
      for (const payment of payments) encoder.write(payment);
      encoder.end();
      await ended;
      await writeFile(path, Buffer.concat(chunks));
      expect(decodeAll(await readAll(await openTransactionFiles({ paths: [path] })))).toEqual(payments);
    }
  });

  it('are written as another implementation reads them, with equal bytes for equal runs', async () => {
    const path = await writePayments('ours.avro', 'avro', payments);
    const again = await writePayments('again.avro', 'avro', payments);
    expect((await readFile(path)).equals(await readFile(again))).toBe(true);
    const read: unknown[] = [];
    const stream = avro.createFileDecoder(path);
    stream.on('data', (payment: unknown) => read.push(payment));
    await new Promise((resolve, reject) => stream.on('end', resolve).on('error', reject));
    expect(JSON.parse(JSON.stringify(read))).toEqual(payments);
  });

  it('may have another writer schema, from the header or from the option', async () => {
    const schema = JSON.parse(SCHEMA_TEXTS.transaction) as { fields: { name: string; type: unknown }[] };
    const order = [...schema.fields.filter((field) => !['lat', 'lon', 'attributes'].includes(field.name))].reverse();
    const theirs = { ...schema, fields: [{ name: 'new_field', type: 'string' }, ...order] };
    const type = avro.Type.forSchema(theirs as avro.Schema, { wrapUnions: false });
    const list = payments.slice(0, 100);
    const data = Buffer.concat(list.map((payment) => type.toBuffer({ ...payment, new_field: 'x' })));
    const expected = list.map((payment) => ({ ...payment, lat: null, lon: null, attributes: {} }));
    const path = join(folder, 'theirs.avro');
    await writeFile(path, container(JSON.stringify(theirs), 'null', [{ count: 100, data }]));
    expect(decodeAll(await readAll(await openTransactionFiles({ paths: [path] })))).toEqual(expected);
    await writeFile(path, container('"bytes"', 'null', [{ count: 100, data }]));
    await expect(openTransactionFiles({ paths: [path] }).then(readAll)).rejects.toMatchObject({
      code: 'FS_SCHEMA_INCOMPATIBLE',
    });
    const option = { paths: [path], writerSchema: JSON.stringify(theirs) };
    expect(decodeAll(await readAll(await openTransactionFiles(option)))).toEqual(expected);
  });

  it('one bad record in a block costs only itself', async () => {
    const list = payments.slice(0, 20).map(encode);
    const bad = Buffer.from(list[7]!);
    bad[3] = 0xff; // within the transaction_id: no UTF-8
    const path = join(folder, 'utf8.avro');
    const data = Buffer.concat([...list.slice(0, 7), bad, ...list.slice(8)]);
    await writeFile(path, container(SCHEMA_TEXTS.transaction, 'null', [{ count: 20, data }]));
    const records = await readAll(await openTransactionFiles({ paths: [path] }));
    expect(records).toHaveLength(20);
    expect(records[7]!.value).toEqual(bad);
    expect(decodeAll(records).filter((payment) => payment === undefined)).toHaveLength(1);
  });

  it.each([
    ['a count too high', (good: Buffer) => ({ count: 12, data: good })],
    ['a count too low', (good: Buffer) => ({ count: 3, data: good })],
    ['a cut record', (good: Buffer) => ({ count: 10, data: good.subarray(0, good.length - 5) })],
    ['a negative count', (good: Buffer) => ({ count: -1, data: good })],
    ['random bytes', (good: Buffer) => ({ count: 10, data: Buffer.alloc(good.length, 0xfb) })],
  ])('a corrupt block is seen and the next is read: %s', async (_, damage) => {
    const good = blockOf(payments.slice(0, 10));
    const path = join(folder, 'corrupt.avro');
    await writeFile(path, container(SCHEMA_TEXTS.transaction, 'null', [good, damage(good.data), good]));
    const decoded = decodeAll(await readAll(await openTransactionFiles({ paths: [path] })));
    expect(decoded.slice(0, 10)).toEqual(payments.slice(0, 10));
    expect(decoded.slice(-10)).toEqual(payments.slice(0, 10));
    expect(decoded.slice(10, -10)).toContain(undefined);
  });

  it('keeps every byte of a block with a damaged length or marker, and of a cut file', async () => {
    const good = blockOf(payments.slice(0, 10));
    const path = join(folder, 'damaged.avro');
    const whole = container(SCHEMA_TEXTS.transaction, 'null', [good, good, good]);
    const blockBytes = 1 + 2 + good.data.length + 16;
    const second = whole.length - 2 * blockBytes;
    for (const at of [second + 1, second + blockBytes - 1]) {
      const bytes = Buffer.from(whole);
      bytes[at] = bytes[at]! ^ 0x55;
      await writeFile(path, bytes);
      const records = await readAll(await openTransactionFiles({ paths: [path] }));
      expect(decodeAll(records).slice(0, 10)).toEqual(payments.slice(0, 10));
      const raw = Buffer.concat(records.slice(10).map((record) => record.value!));
      expect(raw.includes(good.data)).toBe(true);
    }
    await writeFile(path, whole.subarray(0, whole.length - 30));
    const records = await readAll(await openTransactionFiles({ paths: [path] }));
    expect(records).toHaveLength(21);
    expect(decodeAll(records)[20]).toBeUndefined();
    expect(records[20]!.value).toEqual(whole.subarray(whole.length - blockBytes, whole.length - 30));
  });

  it('a deflate bomb is not expanded', async () => {
    const bomb = deflateRawSync(Buffer.alloc(80 * 1_048_576));
    const good = blockOf(payments.slice(0, 10));
    const path = join(folder, 'bomb.avro');
    const small = { count: 10, data: deflateRawSync(good.data) };
    await writeFile(path, container(SCHEMA_TEXTS.transaction, 'deflate', [small, { count: 1, data: bomb }, small]));
    const records = await readAll(await openTransactionFiles({ paths: [path] }));
    expect(records).toHaveLength(21);
    expect(records[10]!.value!.includes(bomb)).toBe(true);
    expect(decodeAll(records).filter((payment) => payment !== undefined)).toHaveLength(20);
  });

  it('bad lines come as they are, blank ones not at all', async () => {
    const path = await writePayments('lines.jsonl', 'jsonl', payments.slice(0, 3));
    const bad = [
      '{"transaction_id":',
      'null',
      '[]',
      JSON.stringify({ ...payments[0], amount_minor: 2 ** 60 }),
      JSON.stringify({ ...payments[0], user_id: 5 }),
      '{"user_id":"\\ud800"}',
    ];
    await appendFile(path, `\n${bad.join('\r\n')}\n\n${JSON.stringify(payments[3])}`);
    const records = await readAll(await openTransactionFiles({ paths: [path] }));
    expect(records.slice(3, -1).map((record) => record.value!.toString())).toEqual(bad);
    expect(decodeAll(records).filter((payment) => payment !== undefined)).toEqual(payments.slice(0, 4));
  });

  it('a huge line is cut, in constant memory, and its neighbours are read', async () => {
    const path = await writePayments('huge.jsonl', 'jsonl', payments.slice(0, 2));
    const bytes = 5_000_000;
    await appendFile(path, Buffer.alloc(bytes, 0x78));
    await appendFile(path, `\n${JSON.stringify(payments[2])}\n`);
    const records = await readAll(await openTransactionFiles({ paths: [path] }));
    const pieces = records.slice(2, -1).map((record) => record.value!);
    expect(pieces.reduce((sum, piece) => sum + piece.length, 0)).toBe(bytes);
    expect(Math.max(...pieces.map((piece) => piece.length))).toBe(1_048_577);
    expect(decodeAll(records).filter((payment) => payment !== undefined)).toEqual(payments.slice(0, 3));
  });

  it('wrong files are refused by name', async () => {
    const text = join(folder, 'text.avro');
    await writeFile(text, 'no container');
    const cut = join(folder, 'cut.avro');
    await writeFile(cut, container(SCHEMA_TEXTS.transaction, 'null', []).subarray(0, 50));
    const codec = join(folder, 'codec.avro');
    await writeFile(codec, container(SCHEMA_TEXTS.transaction, 'zstandard', []));
    for (const path of [text, cut, codec, join(folder, 'missing.avro'), join(folder, 'name.txt')]) {
      await expect(openTransactionFiles({ paths: [path] }).then(readAll)).rejects.toMatchObject({
        code: 'FS_FILE_INVALID',
        message: expect.stringContaining(path) as string,
      });
    }
  });
});

describe('label files', () => {
  it('come back as written, also from another writer', async () => {
    const labels = [...simulateLabels(events, 'delayed', 1)];
    expect(labels.length).toBeGreaterThan(5);
    const decode = (record: InputRecord): Label => SCHEMA_TYPES.label.fromBuffer(record.value!) as Label;
    const plain = (label: Label): unknown => ({ ...label });
    for (const format of ['avro', 'jsonl'] as const) {
      const path = join(folder, `labels.${format}`);
      const file = await createLabelFile(path, format);
      for (const label of labels) await file.append(label);
      await file.close();
      const records = await readAll(await openLabelFiles({ paths: [path] }));
      expect(records[0]!.topic).toBe('labels');
      expect(records.map((record) => plain(decode(record)))).toEqual(labels);
    }
    const schema = JSON.parse(SCHEMA_TEXTS.label) as { fields: { name: string }[] };
    const theirs = { ...schema, fields: [...schema.fields.filter((field) => field.name !== 'ip')].reverse() };
    const type = avro.Type.forSchema(theirs as unknown as avro.Schema, { wrapUnions: false });
    const path = join(folder, 'labels-theirs.avro');
    const data = Buffer.concat(labels.map((label) => type.toBuffer(label)));
    await writeFile(path, container(JSON.stringify(theirs), 'null', [{ count: labels.length, data }]));
    const records = await readAll(await openLabelFiles({ paths: [path] }));
    expect(records.map((record) => plain(decode(record)))).toEqual(labels.map((label) => ({ ...label, ip: null })));
  });
});
