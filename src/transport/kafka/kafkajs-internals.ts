import { createRequire } from 'node:module';
import { FraudstreamError } from '../../domain/errors.ts';
import './kafkajs-patch.ts';

/**
 * What we use of KafkaJS below its public API: connections, authentication, metadata and the group and offset requests.
 * Its producer and consumer are not used. It is no longer maintained, so its inside is frozen: kafkajs-patch.ts checks the
 * version, and everything that depends on it is in that file and this one.
 */

/** A request that KafkaJS does not have, or has too slowly: sent as bytes, answered as bytes. */
export interface RawRequest {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly apiName: string;
  /** the body, in parts that are written one after the other */
  readonly body: readonly Buffer[];
  readonly timeoutMs: number;
}

interface Socket {
  readonly destroyed: boolean;
  cork(): void;
  uncork(): void;
  write(bytes: Buffer): boolean;
  destroy(error: Error): void;
}

interface Connection {
  readonly clientId: string;
  readonly connectionStatus: string;
  readonly socket: Socket;
  isConnected(): boolean;
  readonly requestQueue: {
    push(request: { entry: object; expectResponse: boolean; requestTimeout: number; sendRequest: () => void }): void;
    maybeThrottle(ms: number): void;
  };
  isAuthenticated(): boolean;
  authenticate(): Promise<void>;
  failIfNotConnected(): void;
  nextCorrelationId(): number;
}

export interface EstablishedConnection {
  readonly connection: Connection;
  readonly socket: Socket;
}

export interface OffsetTopic<T> {
  readonly topic: string;
  readonly partitions: readonly T[];
}

export interface Broker {
  readonly nodeId: number | string;
  readonly versions: Readonly<Record<number, { minVersion: number; maxVersion: number }>> | null;
  readonly connectionPool: {
    getConnection(index: number): Promise<Connection>;
    map<T>(use: (c: Connection) => T): T[];
  };
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  joinGroup(request: {
    groupId: string;
    sessionTimeout: number;
    rebalanceTimeout: number;
    memberId: string;
    groupProtocols: readonly { name: string; metadata: Buffer }[];
  }): Promise<JoinGroupResponse>;
  syncGroup(request: {
    groupId: string;
    generationId: number;
    memberId: string;
    groupAssignment: readonly { memberId: string; memberAssignment: Buffer }[];
  }): Promise<{ memberAssignment: Buffer }>;
  heartbeat(request: { groupId: string; groupGenerationId: number; memberId: string }): Promise<unknown>;
  metadata(topics: readonly string[]): Promise<{
    readonly topicMetadata: readonly { readonly topic: string; readonly partitionMetadata: readonly unknown[] }[];
  }>;
  leaveGroup(request: { groupId: string; memberId: string }): Promise<unknown>;
  offsetCommit(request: {
    groupId: string;
    groupGenerationId: number;
    memberId: string;
    topics: readonly OffsetTopic<{ partition: number; offset: string; metadata: string | null }>[];
  }): Promise<unknown>;
  offsetFetch(request: { groupId: string; topics: readonly OffsetTopic<{ partition: number }>[] }): Promise<{
    responses: readonly OffsetTopic<{
      partition: number;
      offset: string;
      metadata: string | null;
      errorCode: number;
    }>[];
  }>;
  listOffsets(request: {
    isolationLevel: number;
    topics: readonly OffsetTopic<{ partition: number; timestamp: number | string }>[];
  }): Promise<{ responses: readonly OffsetTopic<{ partition: number; offset: string; errorCode: number }>[] }>;
  describeConfigs(request: {
    resources: readonly { type: number; name: string; configNames: readonly string[] }[];
  }): Promise<{
    resources: readonly { configEntries: readonly { configName: string; configValue: string | null }[] }[];
  }>;
  initProducerId(request: {
    transactionalId?: string;
    transactionTimeout: number;
  }): Promise<{ producerId: string | number; producerEpoch: number }>;
}

export interface JoinGroupResponse {
  readonly generationId: number;
  readonly leaderId: string;
  readonly memberId: string;
  readonly members: readonly { memberId: string; memberMetadata: Buffer }[];
}

export interface PartitionMetadata {
  readonly partitionId: number;
  readonly leader: number;
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
}

export interface Cluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  isConnected(): boolean;
  refreshMetadata(): Promise<void>;
  refreshMetadataIfNecessary(): Promise<void>;
  addMultipleTargetTopics(topics: readonly string[]): Promise<void>;
  findTopicPartitionMetadata(topic: string): readonly PartitionMetadata[];
  findBroker(options: { nodeId: number | string }): Promise<Broker>;
  findControllerBroker(): Promise<Broker>;
  findGroupCoordinator(options: { groupId: string }): Promise<Broker>;
  readonly brokerPool: {
    readonly metadata: { readonly clusterId?: string | null } | null;
    findConnectedBroker(): Promise<Broker>;
  };
  removeBroker(address: { host: string; port: number }): void;
}

interface LegacyMessage {
  readonly offset: string;
  readonly timestamp?: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}

type ClusterConstructor = new (options: object) => Cluster;

const require = createRequire(import.meta.url);
const ClusterClass = require('kafkajs/src/cluster') as ClusterConstructor;
const { createLogger } = require('kafkajs/src/loggers') as { createLogger(options: object): object };
const socketFactory = (require('kafkajs/src/network/socketFactory') as () => unknown)();
const { createErrorFromCode } = require('kafkajs/src/protocol/error') as { createErrorFromCode(code: number): Error };
const Decoder = require('kafkajs/src/protocol/decoder') as new (bytes: Buffer) => object;
const decodeMessageSet = require('kafkajs/src/protocol/messageSet/decoder') as (
  decoder: object,
  size: number,
) => Promise<readonly LegacyMessage[]>;
export const memberProtocol = require('kafkajs/src/consumer/assignerProtocol') as {
  MemberMetadata: {
    encode(metadata: { version: number; topics: readonly string[]; userData?: Buffer }): Buffer;
    decode(bytes: Buffer): { topics: readonly string[]; userData: Buffer | null };
  };
  MemberAssignment: {
    encode(assignment: { version: number; assignment: Readonly<Record<string, readonly number[]>> }): Buffer;
    decode(bytes: Buffer): { assignment: Readonly<Record<string, readonly number[]>> } | null;
  };
};

const { KafkaJSConnectionClosedError: ClosedError } = require('kafkajs/src/errors') as {
  KafkaJSConnectionClosedError: new (message: string) => Error;
};

/** The error that KafkaJS makes of a broker's error code; it has `type`, `code` and `retriable`. */
export const errorFromCode = createErrorFromCode;

/** `options` as KafkaJS's client gives them to its clusters. Each cluster has connections of its own. */
export function createCluster(options: object, logCreator: object, logLevel: number): Cluster {
  const logger = createLogger({ level: logLevel, logCreator });
  return new ClusterClass({
    socketFactory,
    enforceRequestTimeout: true,
    maxInFlightRequests: null,
    ...options,
    logger,
  });
}

/** Message sets of formats 0 and 1, which brokers before 4.0 may still hold: KafkaJS reads them. */
export async function decodeLegacyMessageSet(bytes: Buffer): Promise<readonly LegacyMessage[]> {
  return decodeMessageSet(new Decoder(bytes), bytes.length);
}

/**
 * Sends a request over a broker's connection, past KafkaJS's encoders: the body is written as it is, and the answer
 * comes as a view of what was read. `connection` 1 is KafkaJS's own choice for fetches, since a long poll blocks the
 * requests behind it; all others go over 0.
 */
export async function sendRaw(broker: Broker, connectionIndex: 0 | 1, request: RawRequest): Promise<Buffer> {
  const { apiKey, apiVersion, apiName, body, timeoutMs } = request;
  const supported = broker.versions?.[apiKey];
  if (supported !== undefined && (apiVersion < supported.minVersion || apiVersion > supported.maxVersion)) {
    const range = `${supported.minVersion} to ${supported.maxVersion}`;
    throw new FraudstreamError(
      'FS_KAFKA_REFUSED',
      `the broker speaks ${apiName} ${range}, we need ${apiVersion}; use Kafka 2.3 to 4.x`,
    );
  }
  const connection = await broker.connectionPool.getConnection(connectionIndex);
  if (!connection.isAuthenticated()) await connection.authenticate();
  connection.failIfNotConnected();
  // KafkaJS counts a connection that is being closed as connected: what is sent on it is lost until its timeout.
  if (connection.connectionStatus !== 'connected') throw new ClosedError('Closed connection');
  const correlationId = connection.nextCorrelationId();
  let bodyBytes = 0;
  for (const part of body) bodyBytes += part.length;
  const clientId = Buffer.from(connection.clientId, 'utf8');
  const header = Buffer.allocUnsafe(14 + clientId.length);
  header.writeInt32BE(header.length - 4 + bodyBytes, 0);
  header.writeInt16BE(apiKey, 4);
  header.writeInt16BE(apiVersion, 6);
  header.writeInt32BE(correlationId, 8);
  header.writeInt16BE(clientId.length, 12);
  header.set(clientId, 14);
  const answering = new Promise<{ payload: Buffer }>((resolve, reject) => {
    connection.requestQueue.push({
      entry: { apiKey, apiName, apiVersion, correlationId, resolve, reject },
      expectResponse: true,
      requestTimeout: timeoutMs,
      sendRequest: () => {
        const { socket } = connection;
        socket.cork();
        socket.write(header);
        for (const part of body) socket.write(part);
        socket.uncork();
      },
    });
  });
  try {
    return (await answering).payload;
  } catch (error) {
    if ((error as Error).name === 'KafkaJSRequestTimeoutError') dropConnections(broker);
    throw error;
  }
}

/**
 * The connection to a broker over which `sendRaw` was answered last (index 0), for `isUnbroken`. KafkaJS connects anew under the same
 * object; its socket is another one then. Null when it is closed already.
 */
export function connectionTo(broker: Broker): EstablishedConnection | null {
  const [connection] = broker.connectionPool.map((one) => one);
  if (connection === undefined || connection.connectionStatus !== 'connected') return null;
  return { connection, socket: connection.socket };
}

export function isUnbroken({ connection, socket }: EstablishedConnection): boolean {
  return connection.socket === socket && connection.connectionStatus === 'connected' && !socket.destroyed;
}

/**
 * Closes the sockets of a broker that does not answer: KafkaJS keeps them, and a path that is dead without saying so
 * would be used for many minutes more. Destroying with an error takes KafkaJS's own way of losing a connection.
 */
export function dropConnections(broker: Broker): void {
  broker.connectionPool.map((connection) => {
    if (connection.isConnected()) connection.socket.destroy(new Error('no answer in time'));
  });
}
