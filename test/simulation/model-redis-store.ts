import { FraudstreamError } from '../../src/domain/errors.ts';
import { checkFlushRequest } from '../../src/state/flush-request.ts';
import {
  NO_STATE,
  type FlushRequest,
  type LoadResult,
  type PartitionId,
  type PartitionState,
  type PartitionStore,
  type StateStore,
  type StoredBlob,
} from '../../src/state/store.ts';
import type { Life } from './life.ts';
import type { ModelRedis, RedisCommand, RedisConnection, RedisNode } from './model-redis.ts';

/** keys that one step of a scan covers */
const CHUNK_KEYS = 500;

/** Names of one partition's keys. */
export interface ModelKeys {
  readonly state: string;
  readonly token: string;
  readonly attempt: string;
  readonly blobPrefix: string;
}

export function modelKeys(app: string, { topic, partition }: PartitionId): ModelKeys {
  const tag = JSON.stringify([app, topic, partition]);
  return { state: `${tag}w`, token: `${tag}f`, attempt: `${tag}a`, blobPrefix: `${tag}u` };
}

export function stateIn(data: ReadonlyMap<string, unknown>, keys: ModelKeys): PartitionState {
  const flushing = flushingOf(String(data.get(keys.token) ?? ''));
  const text = data.get(keys.state);
  if (typeof text !== 'string') return { ...NO_STATE, flushing };
  let state = parsed.get(text);
  if (state === undefined) {
    if (parsed.size > 1_000) parsed.clear();
    state = JSON.parse(text) as Omit<PartitionState, 'flushing'>;
    parsed.set(text, state);
  }
  return { ...state, flushing };
}

const parsed = new Map<string, Omit<PartitionState, 'flushing'>>();

/** A token begins with the watermark that its flush will write; that of a removal has none. */
function flushingOf(token: string): number | null {
  const digits = /^(\d+) /.exec(token)?.[1];
  return digits === undefined ? null : Number(digits);
}

/** The state store over the model: a flush goes in slices as that of `src/state/redis`, so it can end half-way. */
export class ModelRedisStore implements StateStore {
  private readonly redis: ModelRedis;
  private readonly connection: RedisConnection;
  private readonly app: string;
  private readonly sliceKeys: number;
  private tokens = 0;
  private readonly life: Life;

  /** @param life whose name is unique: flushes of different processes must not be taken for one another */
  constructor(redis: ModelRedis, app: string, life: Life, sliceKeys: number) {
    this.redis = redis;
    this.connection = redis.connect();
    this.app = app;
    this.life = life;
    this.sliceKeys = sliceKeys;
  }

  open(id: PartitionId): Promise<PartitionStore> {
    const send = <T>(label: string, command: RedisCommand<T>): Promise<T> =>
      this.send(`${label} ${this.life.name}/${id.partition}`, command);
    const nextToken = (): string => `${this.life.name}-${this.tokens++} `;
    return Promise.resolve(new ModelPartitionStore(send, modelKeys(this.app, id), id, nextToken, this.sliceKeys));
  }

  ping(): Promise<void> {
    return this.send(`ping ${this.life.name}`, () => undefined);
  }

  private send<T>(label: string, command: RedisCommand<T>): Promise<T> {
    const { life } = this;
    // What a process that was killed has still on its stack asks for nothing any more.
    if (life.dead) return new Promise<T>(() => {});
    return life.guard(this.redis.send(this.connection, label, command));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

type Step = 'whole' | 'first' | 'middle' | 'last';
type Send = <T>(label: string, command: RedisCommand<T>) => Promise<T>;

class ModelPartitionStore implements PartitionStore {
  private readonly send: Send;
  private readonly keys: ModelKeys;
  private readonly id: PartitionId;
  private readonly nextToken: () => string;
  private readonly sliceKeys: number;
  /** keys that one step of a removal covers */
  private readonly dropKeys: number;

  constructor(send: Send, keys: ModelKeys, id: PartitionId, nextToken: () => string, sliceKeys: number) {
    this.send = send;
    this.keys = keys;
    this.id = id;
    this.nextToken = nextToken;
    this.sliceKeys = sliceKeys;
    this.dropKeys = Math.max(2, sliceKeys);
  }

  readState(): Promise<PartitionState> {
    return this.send('state', (node) => stateIn(node.data, this.keys));
  }

  load(keys: readonly string[]): Promise<LoadResult> {
    return this.send('load', (node) => ({
      watermark: stateIn(node.data, this.keys).watermark,
      blobs: keys.map((key) => (node.get(this.keys.blobPrefix + key) as Uint8Array | undefined) ?? null),
    }));
  }

  async flush(request: FlushRequest): Promise<void> {
    checkFlushRequest(request);
    const token = `${request.watermark} ${this.nextToken()}`;
    // The caller may use its buffers again when the call has settled; what is late must not see that.
    const copy = { ...request, keys: [...request.keys], blobs: request.blobs.map((blob) => Uint8Array.from(blob)) };
    const count = Math.max(1, Math.ceil(copy.keys.length / this.sliceKeys));
    if (count === 1) return this.sendSlice(copy, 0, 'whole', token);
    await this.sendSlice(copy, 0, 'first', token);
    await Promise.all(Array.from({ length: count - 2 }, (_, k) => this.sendSlice(copy, k + 1, 'middle', token)));
    await this.sendSlice(copy, count - 1, 'last', token);
  }

  /** The watermark first; then blobs, as long as nobody else has begun to write: a late step of it must not hit a successor's. */
  async drop(): Promise<void> {
    const token = this.nextToken();
    await this.send('drop', (node) => {
      node.remove(this.keys.state);
      node.set(this.keys.token, token);
    });
    for (let more = true; more;) {
      more = await this.send('drop more', (node) => {
        if (node.get(this.keys.token) !== token) throw this.conflict('another owner has begun to write');
        const found = this.blobKeys(node);
        for (const key of found.slice(0, this.dropKeys)) node.remove(key);
        if (found.length <= this.dropKeys) node.remove(this.keys.token);
        return found.length > this.dropKeys;
      });
    }
  }

  readAttempt(): Promise<string | null> {
    return this.send('read attempt', (node) => (node.get(this.keys.attempt) as string | undefined) ?? null);
  }

  writeAttempt(text: string | null): Promise<void> {
    return this.send('write attempt', (node) => {
      if (text === null) node.remove(this.keys.attempt);
      else node.set(this.keys.attempt, text);
    });
  }

  async *scan(): AsyncIterable<readonly StoredBlob[]> {
    const found = await this.send('scan', (node) => this.blobKeys(node));
    for (let at = 0; at < found.length; at += CHUNK_KEYS) {
      yield await this.send('scan more', (node) =>
        found.slice(at, at + CHUNK_KEYS).flatMap((name) => {
          const blob = node.get(name) as Uint8Array | undefined;
          return blob === undefined ? [] : [{ key: name.slice(this.keys.blobPrefix.length), blob }];
        }),
      );
    }
  }

  private blobKeys(node: RedisNode): string[] {
    return [...node.data.keys()].filter((key) => key.startsWith(this.keys.blobPrefix));
  }

  private sendSlice(request: FlushRequest, slice: number, step: Step, token: string): Promise<void> {
    return this.send(`flush ${step}`, (node) => this.writeSlice(node, request, slice, step, token));
  }

  /** As the script in `src/state/redis/flush-script.ts`. */
  private writeSlice(node: RedisNode, request: FlushRequest, slice: number, step: Step, token: string): void {
    const { watermark, fingerprint, note } = request;
    const found = stateIn(node.data, this.keys);
    const expected = request.expectedWatermark;
    if (found.watermark !== expected || (expected !== null && found.fingerprint !== fingerprint)) {
      throw this.conflict(`expected ${expected ?? 'none'}, found ${found.watermark ?? 'none'}`);
    }
    if (step === 'first' || step === 'whole') node.set(this.keys.token, token);
    else {
      const seen = String(node.get(this.keys.token) ?? '');
      if (!seen.startsWith(token)) throw this.conflict('another flush of this partition has begun');
      if (step === 'last' && seen.length - token.length !== slice - 1) throw this.conflict('slices are missing');
    }
    const from = slice * this.sliceKeys;
    for (let k = from; k < Math.min(from + this.sliceKeys, request.keys.length); k++) {
      node.set(this.keys.blobPrefix + (request.keys[k] as string), request.blobs[k] as Uint8Array);
    }
    if (step === 'middle') node.set(this.keys.token, `${String(node.get(this.keys.token))}.`);
    if (step === 'whole' || step === 'last') {
      node.remove(this.keys.token);
      node.set(
        this.keys.state,
        JSON.stringify({ watermark, fingerprint, note } satisfies Omit<PartitionState, 'flushing'>),
      );
    }
  }

  private conflict(detail: string): FraudstreamError {
    return new FraudstreamError('FS_STATE_CONFLICT', detail, { ...this.id });
  }
}
