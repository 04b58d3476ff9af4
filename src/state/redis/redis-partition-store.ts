import { randomUUID } from 'node:crypto';
import { FraudstreamError, type ErrorPlace } from '../../domain/errors.ts';
import { checkFlushRequest } from '../flush-request.ts';
import type { FlushRequest, LoadResult, PartitionId, PartitionState, PartitionStore, StoredBlob } from '../store.ts';
import { DROP_SCRIPT, FLUSH_SCRIPT, FLUSH_SCRIPT_SHA1, slicesOf, type FlushStep, type Slice } from './flush-script.ts';
import type { RedisClient } from './redis-client.ts';
import { isNoScript } from './redis-errors.ts';
import { EncodedCommand, RespWriter, type BufferPool } from './resp-writer.ts';
import { decodePartitionState, decodeState, encodeState, flushToken } from './state-record.ts';
import { partitionKeys, type PartitionKeys } from './state-record.ts';

/** Up to this many keys are one MGET, hence one atomic read. */
const LOAD_KEYS_MAX = 3_000;
/** Slices of a flush under way at the same time: hides the round trip, bounds the bytes in the socket. */
const SLICES_IN_FLIGHT = 4;
const SCAN_COUNT = 1_000;
const SCAN_ATTEMPTS = 3;
const SCAN_KEYS_MAX = 500;

/** A flush on its way, in slices. */
interface Flight {
  readonly request: FlushRequest;
  readonly token: string;
  /** slices that are neither the first nor the last */
  readonly middles: number;
}

/** outcome, and the record found when it was not the expected one: see `FLUSH_SCRIPT` */
type ScriptReply = [outcome: number, found?: Buffer];

interface Chunk {
  readonly record: Buffer | null;
  readonly blobs: readonly (Buffer | null)[];
}

/**
 * One partition's state in Redis.
 *
 * `load` is one atomic read of the state record and up to 5,000 blobs. Beyond that, chunks are read and must agree on the
 * record, else they are read once more, else FS_STATE_CONFLICT. The blobs are views into what the socket received: each
 * keeps up to 64 KiB alive, so copy what is to be kept for long.
 *
 * `flush` is cut into slices, each one atomic script call that checks the state record first; the last one moves the
 * watermark. A flush that fails between two slices leaves some blobs newer than the watermark. That is safe because a blob
 * carries the offset that it has seen up to, so that folding a record twice is folding it once. The blobs given may be
 * reused as soon as the call settles.
 *
 * FS_STATE_UNAVAILABLE from `flush` means that the outcome is unknown: call `readState` before anything else.
 */
export class RedisPartitionStore implements PartitionStore {
  private readonly client: RedisClient;
  private readonly pool: BufferPool;
  private readonly ttl: string;
  private readonly keys: PartitionKeys;
  private readonly blobPrefix: Buffer;
  private readonly place: ErrorPlace;

  constructor(client: RedisClient, pool: BufferPool, options: { app: string; ttlMs: number }, id: PartitionId) {
    this.client = client;
    this.pool = pool;
    this.ttl = String(options.ttlMs);
    this.keys = partitionKeys(options.app, id);
    this.blobPrefix = Buffer.from(this.keys.blobPrefix);
    this.place = { topic: id.topic, partition: id.partition };
  }

  async readState(): Promise<PartitionState> {
    const { state, note, flush } = this.keys;
    const doing = 'read the watermark';
    const reply = await this.guard(doing, this.client.call('MGET', state, note));
    // A question of its own: in a slot that is being moved, a key that is not there would make the other two unreadable.
    const token = await this.guard(doing, this.client.call('GET', flush));
    return decodePartitionState([...(reply as (Buffer | null)[]), token as Buffer | null], this.place);
  }

  async load(keys: readonly string[]): Promise<LoadResult> {
    const doing = `load ${keys.length} users`;
    if (keys.length <= LOAD_KEYS_MAX) {
      const { record, blobs } = await this.guard(doing, this.read(keys));
      return { watermark: decodeState(record, this.place).watermark, blobs };
    }
    for (let attempt = 1; attempt <= 2; attempt++) {
      const chunks = await this.guard(doing, this.readChunks(keys));
      const first = (chunks[0] as Chunk).record;
      if (chunks.every(({ record }) => sameRecord(record, first))) {
        return { watermark: decodeState(first, this.place).watermark, blobs: chunks.flatMap(({ blobs }) => blobs) };
      }
    }
    throw new FraudstreamError('FS_STATE_CONFLICT', 'the watermark moved during two loads', this.place);
  }

  async flush(request: FlushRequest): Promise<void> {
    checkFlushRequest(request);
    const slices = slicesOf(request.blobs);
    const last = slices.length - 1;
    const flight = { request, token: flushToken(request.watermark, randomUUID()), middles: Math.max(0, last - 1) };
    const send = (slice: Slice, step: FlushStep): Promise<void> => this.writeSlice(flight, slice, step);
    if (last === 0) {
      await send(slices[0] as Slice, 'whole');
      return;
    }
    // The first alone (it sets the token that the others need), the last alone (only when all others are known to be in).
    await send(slices[0] as Slice, 'first');
    for (let at = 1; at < last; at += SLICES_IN_FLIGHT) {
      const group = slices.slice(at, Math.min(at + SLICES_IN_FLIGHT, last));
      await Promise.all(group.map((slice) => send(slice, 'middle')));
    }
    await send(slices[last] as Slice, 'last');
  }

  /**
   * The watermark goes first, so that a drop that fails half-way leaves "no state", not wrong state; call it again then.
   * SCAN walks the whole database: it ends, but takes about 1 s per few million keys. Throws FS_STATE_CONFLICT when another owner
   * has begun to write meanwhile.
   */
  async drop(): Promise<void> {
    await this.guard('drop the state', this.removeAll());
  }

  async readAttempt(): Promise<string | null> {
    const reply = await this.guard('read the attempt', this.client.call('GET', this.keys.attempt));
    return (reply as Buffer | null)?.toString() ?? null;
  }

  async writeAttempt(text: string | null): Promise<void> {
    const { attempt } = this.keys;
    const call =
      text === null ? this.client.call('DEL', attempt) : this.client.call('SET', attempt, text, 'PX', this.ttl);
    await this.guard('write the attempt', call);
  }

  /**
   * SCAN walks the whole database, as in `drop`. A history that is there from the first portion to the last is in it at
   * least once. One may come twice: when the server resizes its table meanwhile, or when the scan begins anew because the
   * server was left (a new connection, a failover) before its end.
   */
  async *scan(): AsyncIterable<readonly StoredBlob[]> {
    const doing = 'scan the state';
    const pages = this.pages();
    for (;;) {
      const page = await this.guard(doing, pages.next());
      if (page.done === true) return;
      for (let at = 0; at < page.value.length; at += SCAN_KEYS_MAX) {
        const blobs = await this.guard(doing, this.readAll(page.value.slice(at, at + SCAN_KEYS_MAX)));
        if (blobs.length > 0) yield blobs;
      }
    }
  }

  /**
   * All blob keys. A cursor means something only to the server that gave it, as it was then: whenever another one answers
   * it begins anew. While the slot is being moved between nodes it is refused, for each of the two lacks some keys.
   */
  private async *pages(): AsyncGenerator<Buffer[], void, undefined> {
    const { state, blobPattern } = this.keys;
    for (let attempt = 1; attempt <= SCAN_ATTEMPTS; attempt++) {
      const home = await this.client.home(state);
      let cursor = '0';
      do {
        const reply = await this.client.callAt(state, 'SCAN', cursor, 'MATCH', blobPattern, 'COUNT', SCAN_COUNT);
        const [next, keys] = reply as [Buffer, Buffer[]];
        cursor = next.toString();
        if (keys.length > 0) yield keys;
        // Cheap where there is one server; in a cluster a question more per thousand keys walked.
      } while ((await this.client.home(state)) === home && cursor !== '0');
      if (cursor === '0' && (await this.client.home(state)) === home) return;
    }
    throw new Error('Redis was left during the scan, several times');
  }

  private async readAll(keys: readonly Buffer[]): Promise<StoredBlob[]> {
    const blobs = (await this.client.call('MGET', ...keys)) as (Buffer | null)[];
    return keys.flatMap((key, i) => {
      const blob = blobs[i];
      return blob ? [{ key: key.toString('utf8', this.blobPrefix.length), blob }] : [];
    });
  }

  private async removeAll(): Promise<void> {
    const token = `drop ${randomUUID()}`;
    await this.dropStep(token, 'begin', []);
    for await (const keys of this.pages()) {
      for (let at = 0; at < keys.length; at += SCAN_KEYS_MAX) {
        await this.dropStep(token, 'more', keys.slice(at, at + SCAN_KEYS_MAX));
      }
    }
    await this.dropStep(token, 'end', []);
  }

  private async dropStep(token: string, step: 'begin' | 'more' | 'end', blobs: readonly Buffer[]): Promise<void> {
    const { state, flush, note } = this.keys;
    const keys = [state, flush, note, ...blobs];
    const reply = await this.client.call('EVAL', DROP_SCRIPT, keys.length, ...keys, token, step, this.ttl);
    if (reply === 0) return;
    throw new FraudstreamError(
      'FS_STATE_CONFLICT',
      'another owner has begun to write while state was removed',
      this.place,
    );
  }

  private readChunks(keys: readonly string[]): Promise<Chunk[]> {
    const chunks: Promise<Chunk>[] = [];
    for (let at = 0; at < keys.length; at += LOAD_KEYS_MAX) {
      chunks.push(this.read(keys.slice(at, at + LOAD_KEYS_MAX)));
    }
    return Promise.all(chunks);
  }

  private async read(keys: readonly string[]): Promise<Chunk> {
    const writer = new RespWriter(this.pool.take());
    writer.start(keys.length + 2);
    writer.text('mget');
    writer.text(this.keys.state);
    for (let i = 0; i < keys.length; i++) writer.join(this.blobPrefix, keys[i] as string);
    const reply = (await this.client.send(
      new EncodedCommand('mget', [this.keys.state], writer.written()),
    )) as (Buffer | null)[];
    this.pool.giveBack(writer.buffer());
    const record = reply.shift() ?? null;
    return { record, blobs: reply };
  }

  private async writeSlice(flight: Flight, slice: Slice, step: FlushStep): Promise<void> {
    const { request } = flight;
    const reply = await this.guard(`flush ${request.keys.length} users`, this.runScript(flight, slice, step));
    if (reply[0] === 0) return;
    throw this.conflict(request, reply);
  }

  private async runScript(flight: Flight, slice: Slice, step: FlushStep): Promise<ScriptReply> {
    try {
      return await this.evaluate('evalsha', FLUSH_SCRIPT_SHA1, flight, slice, step);
    } catch (thrown) {
      // The server does not have the script (restart, failover, SCRIPT FLUSH): it did nothing. EVAL also keeps it.
      if (!isNoScript(thrown)) throw thrown;
      return await this.evaluate('eval', FLUSH_SCRIPT, flight, slice, step);
    }
  }

  private async evaluate(
    command: 'evalsha' | 'eval',
    script: string,
    { request, token, middles }: Flight,
    { start, end }: Slice,
    step: FlushStep,
  ): Promise<ScriptReply> {
    const { expectedWatermark: expected, fingerprint } = request;
    const keyCount = end - start + 3;
    const writer = new RespWriter(this.pool.take());
    writer.start(3 + keyCount + 7 + (end - start));
    writer.text(command);
    writer.text(script);
    writer.text(String(keyCount));
    writer.text(this.keys.state);
    writer.text(this.keys.flush);
    writer.text(this.keys.note);
    for (let i = start; i < end; i++) writer.join(this.blobPrefix, request.keys[i] as string);
    writer.text(expected === null ? '' : encodeState(expected, fingerprint));
    writer.text(encodeState(request.watermark, fingerprint));
    writer.text(token);
    writer.text(step);
    writer.text(this.ttl);
    writer.text(request.note);
    writer.text(String(middles));
    for (let i = start; i < end; i++) writer.binary(request.blobs[i] as Uint8Array);
    const routing = [script, '1', this.keys.state];
    const reply = await this.client.send(new EncodedCommand(command, routing, writer.written()));
    this.pool.giveBack(writer.buffer());
    return reply as ScriptReply;
  }

  private conflict(request: FlushRequest, [outcome, found]: ScriptReply): FraudstreamError {
    if (outcome !== 1) {
      const detail = outcome === 2 ? 'another flush or removal has begun' : 'a failover has lost slices of this flush';
      return new FraudstreamError('FS_STATE_CONFLICT', detail, this.place);
    }
    const expected = request.expectedWatermark ?? 'none';
    const stored = decodeState(found ?? null, this.place);
    const detail =
      stored.watermark === request.expectedWatermark
        ? 'the stored state has another layout fingerprint; another version of the program owns it'
        : `expected ${expected}, found ${stored.watermark ?? 'none'}`;
    return new FraudstreamError('FS_STATE_CONFLICT', detail, this.place);
  }

  private async guard<T>(doing: string, work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (thrown) {
      throw this.client.error(thrown, doing, this.place);
    }
  }
}

function sameRecord(a: Buffer | null, b: Buffer | null): boolean {
  return a === null || b === null ? a === b : a.equals(b);
}
