import { connect, type Socket } from 'node:net';
import { gunzipSync } from 'node:zlib';
import lz4 from 'lz4-napi';
import { sleep } from '../servers/process.ts';

/**
 * Logs as they are on the brokers, read by a few requests of our own: no client library, nothing of src. What a
 * read-committed reader may see is not taken from the broker's list of aborted transactions but from the markers: the
 * whole log is read, uncommitted, and a producer's records wait for its next marker.
 */

export interface Raw {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: string | null;
  readonly value: Buffer | null;
  /** a header that repeats has all its values */
  readonly headers: Readonly<Record<string, Buffer | Buffer[]>>;
}

export interface LogPartition {
  readonly partition: number;
  /** what a read-committed reader sees, in offset order */
  readonly records: readonly Raw[];
  /** records of aborted transactions */
  readonly aborted: number;
  /** records of transactions without a marker yet */
  readonly open: number;
  /** first offset of the log, and the one behind its last */
  readonly start: number;
  readonly end: number;
}

const API = { fetch: 1, listOffsets: 2, metadata: 3, offsetCommit: 8, offsetFetch: 9, findCoordinator: 10 } as const;
const FETCH_BYTES = 16_777_216;
const ANSWER_MS_MAX = 15_000;
const TRIES_MAX = 40;
const PAUSE_MS = 250;
const EARLIEST = -2n;
const LATEST = -1n;

class Writer {
  private readonly parts: Buffer[] = [];
  private int(bytes: number, write: (buffer: Buffer) => void): this {
    const buffer = Buffer.alloc(bytes);
    write(buffer);
    this.parts.push(buffer);
    return this;
  }
  i8 = (value: number): this => this.int(1, (b) => b.writeInt8(value));
  i16 = (value: number): this => this.int(2, (b) => b.writeInt16BE(value));
  i32 = (value: number): this => this.int(4, (b) => b.writeInt32BE(value));
  i64 = (value: bigint): this => this.int(8, (b) => b.writeBigInt64BE(value));
  text(value: string): this {
    this.i16(Buffer.byteLength(value));
    this.parts.push(Buffer.from(value));
    return this;
  }
  bytes = (): Buffer => Buffer.concat(this.parts);
}

class Reader {
  at = 0;
  private readonly buffer: Buffer;
  constructor(buffer: Buffer) {
    this.buffer = buffer;
  }
  private move(bytes: number): number {
    this.at += bytes;
    return this.at - bytes;
  }
  get left(): number {
    return this.buffer.length - this.at;
  }
  i8 = (): number => this.buffer.readInt8(this.move(1));
  i16 = (): number => this.buffer.readInt16BE(this.move(2));
  i32 = (): number => this.buffer.readInt32BE(this.move(4));
  i64 = (): number => Number(this.buffer.readBigInt64BE(this.move(8)));
  text(): string | null {
    const length = this.i16();
    return length < 0 ? null : this.slice(length).toString();
  }
  slice(length: number): Buffer {
    const from = this.move(length);
    return this.buffer.subarray(from, from + length);
  }
  /** zigzag, of up to 64 bits */
  varint(): number {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.buffer.readUInt8(this.move(1));
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return Number((value >> 1n) ^ -(value & 1n));
    }
  }
  many<T>(read: () => T): T[] {
    return Array.from({ length: Math.max(0, this.i32()) }, read);
  }
}

class Connection {
  private readonly socket: Socket;
  private chunks: Buffer[] = [];
  private waiting: { done: (answer: Reader) => void; fail: (error: Error) => void } | null = null;

  constructor(host: string, port: number) {
    this.socket = connect(port, host);
    this.socket.on('data', (chunk: Buffer) => this.take(chunk));
    this.socket.on('error', (error) => this.waiting?.fail(error));
    this.socket.on('close', () => this.waiting?.fail(new Error(`${host}:${port} has closed the connection`)));
  }

  /** One request at a time. */
  request(api: number, version: number, body: Buffer): Promise<Reader> {
    const head = new Writer().i16(api).i16(version).i32(1).text('e2e-log').bytes();
    const size = new Writer().i32(head.length + body.length).bytes();
    return new Promise((done, fail) => {
      const timer = setTimeout(() => this.waiting?.fail(new Error('no answer')), ANSWER_MS_MAX);
      const settle = (): void => {
        clearTimeout(timer);
        this.waiting = null;
      };
      this.waiting = {
        done: (answer) => (settle(), done(answer)),
        fail: (error) => (settle(), this.close(), fail(error)),
      };
      this.socket.write(Buffer.concat([size, head, body]));
    });
  }

  close(): void {
    this.socket.destroy();
  }

  private take(chunk: Buffer): void {
    this.chunks.push(chunk);
    const first = this.chunks[0] as Buffer;
    if (first.length < 4) this.chunks = [Buffer.concat(this.chunks)];
    const length = this.chunks.reduce((sum, one) => sum + one.length, 0);
    if (length < 4 || length < 4 + (this.chunks[0] as Buffer).readInt32BE(0)) return;
    const answer = Buffer.concat(this.chunks);
    this.chunks = [];
    // behind the size and the correlation id
    this.waiting?.done(new Reader(answer.subarray(8)));
  }
}

interface Broker {
  readonly host: string;
  readonly port: number;
}

/** The topic's partitions as their leaders have them now. Waits for leaders; throws when that takes too long. */
export async function readLog(bootstrap: string, topic: string): Promise<LogPartition[]> {
  const partitions: LogPartition[] = [];
  for (const partition of await partitionsOf(bootstrap, topic)) {
    partitions.push(await readLogPartition(bootstrap, topic, partition));
  }
  return partitions;
}

export async function partitionsOf(bootstrap: string, topic: string): Promise<number[]> {
  return [...(await leadersOf(bootstrap, topic)).keys()].sort((a, b) => a - b);
}

export function readLogPartition(bootstrap: string, topic: string, partition: number): Promise<LogPartition> {
  return patiently(`${topic}/${partition}`, async () => {
    const leader = (await leadersOf(bootstrap, topic)).get(partition);
    if (leader === undefined) throw new Error('no leader');
    return readPartition(leader, topic, partition);
  });
}

async function patiently<T>(what: string, attempt: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      if (tries >= TRIES_MAX) throw new Error(`cannot read ${what}: ${String(error)}`, { cause: error });
      await sleep(PAUSE_MS);
    }
  }
}

function leadersOf(bootstrap: string, topic: string): Promise<Map<number, Broker>> {
  return patiently(`the leaders of ${topic}`, async () => {
    let last: unknown;
    for (const address of bootstrap.split(',')) {
      const [host = '', port] = address.split(':');
      const connection = new Connection(host, Number(port));
      try {
        const answer = await connection.request(API.metadata, 1, new Writer().i32(1).text(topic).bytes());
        return leadersIn(answer, topic);
      } catch (error) {
        last = error;
      } finally {
        connection.close();
      }
    }
    throw last;
  });
}

function leadersIn(answer: Reader, topic: string): Map<number, Broker> {
  const brokers = new Map<number, Broker>();
  answer.many(() => {
    const [id, host, port] = [answer.i32(), answer.text() ?? '', answer.i32()];
    answer.text(); // rack
    brokers.set(id, { host, port });
  });
  answer.i32(); // controller
  const leaders = new Map<number, Broker>();
  answer.many(() => {
    const code = answer.i16();
    answer.text();
    answer.i8(); // internal
    if (code !== 0) throw new Error(`${topic}: error ${code}`);
    answer.many(() => {
      const [error, partition, leader] = [answer.i16(), answer.i32(), answer.i32()];
      answer.many(answer.i32); // replicas
      answer.many(answer.i32); // in sync
      const broker = brokers.get(leader);
      if (broker === undefined || (error !== 0 && error !== 9)) throw new Error(`${partition} has no leader: ${error}`);
      leaders.set(partition, broker);
    });
  });
  if (leaders.size === 0) throw new Error(`${topic} has no partitions`);
  return leaders;
}

export interface GroupOffset {
  readonly offset: number;
  readonly metadata: string;
}

/** A committed offset of a group; null when it has none. */
export function readOffset(
  bootstrap: string,
  group: string,
  topic: string,
  partition: number,
): Promise<GroupOffset | null> {
  const body = new Writer().text(group).i32(1).text(topic).i32(1).i32(partition).bytes();
  return askCoordinator(bootstrap, group, { api: API.offsetFetch, version: 1, body }, (answer) => {
    let found: GroupOffset | null = null;
    answer.many(() => {
      answer.text();
      answer.many(() => {
        answer.i32();
        const [offset, metadata, code] = [answer.i64(), answer.text() ?? '', answer.i16()];
        if (code !== 0) throw new Error(`OffsetFetch: error ${code}`);
        if (offset >= 0) found = { offset, metadata };
      });
    });
    return found;
  });
}

/** Sets an offset of a group without members, as operators' tools do. */
export function setOffset(
  bootstrap: string,
  group: string,
  topic: string,
  partition: number,
  { offset, metadata }: GroupOffset,
): Promise<void> {
  const head = new Writer().text(group).i32(-1).text('').i64(-1n).i32(1).text(topic);
  const body = head.i32(1).i32(partition).i64(BigInt(offset)).text(metadata).bytes();
  return askCoordinator(bootstrap, group, { api: API.offsetCommit, version: 2, body }, (answer) => {
    answer.many(() => {
      answer.text();
      answer.many(() => {
        answer.i32();
        const code = answer.i16();
        if (code !== 0) throw new Error(`OffsetCommit: error ${code}`);
      });
    });
  });
}

/** The first question for a coordinator makes a new cluster create what it needs for one. */
function askCoordinator<T>(
  bootstrap: string,
  group: string,
  { api, version, body }: { api: number; version: number; body: Buffer },
  read: (answer: Reader) => T,
): Promise<T> {
  return patiently(`the coordinator of ${group}`, async () => {
    const [first = ''] = bootstrap.split(',');
    const found = await askOne(first, API.findCoordinator, 1, new Writer().text(group).i8(0).bytes());
    found.i32(); // throttle
    const code = found.i16();
    found.text(); // why
    found.i32(); // node
    if (code !== 0) throw new Error(`FindCoordinator: error ${code}`);
    const coordinator = `${found.text()}:${found.i32()}`;
    return read(await askOne(coordinator, api, version, body));
  });
}

async function askOne(broker: string, api: number, version: number, body: Buffer): Promise<Reader> {
  const [host = '', port] = broker.split(':');
  const connection = new Connection(host, Number(port));
  try {
    return await connection.request(api, version, body);
  } finally {
    connection.close();
  }
}

async function readPartition({ host, port }: Broker, topic: string, partition: number): Promise<LogPartition> {
  const connection = new Connection(host, port);
  try {
    const start = await offsetAt(connection, topic, partition, EARLIEST);
    const end = await offsetAt(connection, topic, partition, LATEST);
    const log = new Markers();
    for (let offset = start; offset < end;) {
      const body = new Writer().i32(-1).i32(500).i32(1).i32(FETCH_BYTES).i8(0).i32(1).text(topic).i32(1);
      body.i32(partition).i64(BigInt(offset)).i64(-1n).i32(FETCH_BYTES);
      const bytes = recordsIn(await connection.request(API.fetch, 5, body.bytes()));
      const next = log.add(bytes, { topic, partition, from: offset, end });
      if (next === offset) throw new Error(`nothing at ${offset}, the log ends at ${end}`);
      offset = next;
    }
    return { partition, start, end, ...log.result() };
  } finally {
    connection.close();
  }
}

async function offsetAt(connection: Connection, topic: string, partition: number, time: bigint): Promise<number> {
  const body = new Writer().i32(-1).i32(1).text(topic).i32(1).i32(partition).i64(time).bytes();
  const answer = await connection.request(API.listOffsets, 1, body);
  let offset = -1;
  answer.many(() => {
    answer.text();
    answer.many(() => {
      answer.i32();
      const code = answer.i16();
      answer.i64();
      offset = answer.i64();
      if (code !== 0) throw new Error(`ListOffsets: error ${code}`);
    });
  });
  return offset;
}

function recordsIn(answer: Reader): Buffer {
  answer.i32(); // throttle
  let records = Buffer.alloc(0);
  answer.many(() => {
    answer.text();
    answer.many(() => {
      answer.i32();
      const code = answer.i16();
      if (code !== 0) throw new Error(`Fetch: error ${code}`);
      answer.i64(); // high watermark
      answer.i64(); // last stable offset
      answer.i64(); // log start
      answer.many(() => [answer.i64(), answer.i64()]);
      records = Buffer.from(answer.slice(Math.max(0, answer.i32())));
    });
  });
  return records;
}

/** The records of a partition, each held until its transaction has ended. */
class Markers {
  private readonly visible: Raw[] = [];
  private readonly pending = new Map<number, Raw[]>();
  private aborted = 0;

  /** @returns the offset behind the last whole batch */
  add(
    bytes: Buffer,
    { topic, partition, from, end }: { topic: string; partition: number; from: number; end: number },
  ): number {
    let next = from;
    const reader = new Reader(bytes);
    while (reader.left >= 17) {
      const base = reader.i64();
      const length = reader.i32();
      if (reader.left < length) break;
      const batch = new Reader(reader.slice(length));
      batch.i32(); // leader epoch
      const magic = batch.i8();
      if (magic !== 2) throw new Error(`record batch of version ${magic}`);
      batch.i32(); // crc
      const attributes = batch.i16();
      next = base + batch.i32() + 1;
      const [firstMs, maxMs, producer] = [batch.i64(), batch.i64(), batch.i64()];
      batch.i16(); // epoch
      batch.i32(); // sequence
      const count = batch.i32();
      const [appendTime, transactional, control] = [attributes & 8, attributes & 16, attributes & 32];
      const body = new Reader(expand(attributes & 7, batch.slice(batch.left)));
      const records: Raw[] = [];
      for (let k = 0; k < count; k++) {
        const record = readRecord(body);
        const offset = base + record.offsetDelta;
        if (control) this.end(producer, (record.key as Buffer).readInt16BE(2) === 1);
        else if (offset >= from && offset < end) {
          const { value, headers } = record;
          const key = record.key?.toString() ?? null;
          const timestampMs = appendTime ? maxMs : firstMs + record.timestampDelta;
          records.push({ topic, partition, offset, timestampMs, key, value, headers });
        }
      }
      if (control) continue;
      if (!transactional) push(this.visible, records);
      else {
        const held = this.pending.get(producer) ?? [];
        push(held, records);
        this.pending.set(producer, held);
      }
    }
    return next;
  }

  result(): { records: Raw[]; aborted: number; open: number } {
    const open = [...this.pending.values()].reduce((sum, held) => sum + held.length, 0);
    return { records: this.visible.sort((a, b) => a.offset - b.offset), aborted: this.aborted, open };
  }

  private end(producer: number, committed: boolean): void {
    const held = this.pending.get(producer) ?? [];
    this.pending.delete(producer);
    if (committed) push(this.visible, held);
    else this.aborted += held.length;
  }
}

function push(into: Raw[], records: readonly Raw[]): void {
  for (const record of records) into.push(record);
}

function expand(codec: number, bytes: Buffer): Buffer {
  if (codec === 0) return bytes;
  if (codec === 1) return gunzipSync(bytes);
  if (codec === 3) return Buffer.from(lz4.decompressFrameSync(bytes));
  throw new Error(`compression ${codec} is not read here`);
}

function readRecord(body: Reader): {
  offsetDelta: number;
  timestampDelta: number;
  key: Buffer | null;
  value: Buffer | null;
  headers: Record<string, Buffer | Buffer[]>;
} {
  body.varint(); // length
  body.i8(); // attributes
  const timestampDelta = body.varint();
  const offsetDelta = body.varint();
  const bytes = (): Buffer | null => {
    const length = body.varint();
    return length < 0 ? null : Buffer.from(body.slice(length));
  };
  const [key, value] = [bytes(), bytes()];
  const headers: Record<string, Buffer | Buffer[]> = {};
  for (let left = body.varint(); left > 0; left--) {
    const name = (bytes() as Buffer).toString();
    const one = bytes() ?? Buffer.alloc(0);
    const known = headers[name];
    headers[name] = known === undefined ? one : [...(Array.isArray(known) ? known : [known]), one];
  }
  return { offsetDelta, timestampDelta, key, value, headers };
}
