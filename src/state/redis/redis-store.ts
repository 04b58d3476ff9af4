import { FraudstreamError } from '../../domain/errors.ts';
import type { PartitionId, PartitionStore, StateStore } from '../store.ts';
import type { RedisClient } from './redis-client.ts';
import { RedisPartitionStore } from './redis-partition-store.ts';
import { BufferPool } from './resp-writer.ts';
import { partitionKeys } from './state-record.ts';

export interface RedisStoreOptions {
  /** the application's id: the first part of every key */
  readonly app: string;
  /**
   * Time to live of every key, renewed by each write. Redis counts wall clock and the windows count event time, so it must
   * cover longest window + allowed lateness + how long the program may be away (the retention of the input).
   */
  readonly ttlMs: number;
}

/**
 * State in Redis. Owns the client: `close` ends its connection. `ping` fails at once while there is no connection.
 * Throws FS_CONFIG_INVALID.
 */
export class RedisStateStore implements StateStore {
  private readonly client: RedisClient;
  private readonly options: RedisStoreOptions;
  private readonly pool = new BufferPool();

  constructor(client: RedisClient, options: RedisStoreOptions) {
    if (options.app === '') throw new FraudstreamError('FS_CONFIG_INVALID', 'the application id is empty');
    if (!Number.isSafeInteger(options.ttlMs) || options.ttlMs < 1) {
      throw new FraudstreamError(
        'FS_CONFIG_INVALID',
        `the time to live of state must be at least 1 ms, not ${options.ttlMs}`,
      );
    }
    this.client = client;
    this.options = options;
  }

  /** Waits for the connection to who serves the partition (at most its connect time-out), and holds nothing on the server. */
  async open(id: PartitionId): Promise<PartitionStore> {
    await this.client.ready(partitionKeys(this.options.app, id).state);
    return new RedisPartitionStore(this.client, this.pool, this.options, id);
  }

  ping(): Promise<void> {
    return this.client.ping();
  }

  close(): Promise<void> {
    return this.client.close();
  }
}
