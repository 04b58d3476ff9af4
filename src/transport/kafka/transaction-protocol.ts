import type { OffsetToCommit, ProducerIdentity, TopicPartition, Transaction } from '../transactions.ts';
import { ProtocolReader, ProtocolWriter } from './protocol-bytes.ts';

/**
 * The requests of transactions in the versions before KIP-447 and KIP-890: every broker from 2.3 to 4.x has them, and
 * what fences is the epoch of `InitProducerId` alone. https://kafka.apache.org/protocol#protocol_messages. Pure.
 */

export const FIND_COORDINATOR_API = { apiKey: 10, apiVersion: 2, apiName: 'FindCoordinator' } as const;
export const INIT_PRODUCER_ID_API = { apiKey: 22, apiVersion: 1, apiName: 'InitProducerId' } as const;
export const ADD_PARTITIONS_API = { apiKey: 24, apiVersion: 1, apiName: 'AddPartitionsToTxn' } as const;
export const ADD_OFFSETS_API = { apiKey: 25, apiVersion: 1, apiName: 'AddOffsetsToTxn' } as const;
export const END_TXN_API = { apiKey: 26, apiVersion: 1, apiName: 'EndTxn' } as const;
export const TXN_OFFSET_COMMIT_API = { apiKey: 28, apiVersion: 1, apiName: 'TxnOffsetCommit' } as const;

export type CoordinatorKind = 'group' | 'transaction';

export interface PartitionError extends TopicPartition {
  readonly errorCode: number;
}

const OPERATION_NOT_ATTEMPTED = 55;

export function encodeFindCoordinator(kind: CoordinatorKind, key: string): Buffer {
  return new ProtocolWriter()
    .string(key)
    .int8(kind === 'group' ? 0 : 1)
    .end();
}

export function decodeFindCoordinator(bytes: Buffer): { readonly errorCode: number; readonly nodeId: number } {
  const reader = new ProtocolReader(bytes);
  reader.int32();
  const errorCode = reader.int16();
  reader.string();
  return { errorCode, nodeId: reader.int32() };
}

export function encodeInitProducerId(transactionalId: string, timeoutMs: number): Buffer {
  return new ProtocolWriter().string(transactionalId).int32(timeoutMs).end();
}

export function decodeInitProducerId(bytes: Buffer): ProducerIdentity & { readonly errorCode: number } {
  const reader = new ProtocolReader(bytes);
  reader.int32();
  return { errorCode: reader.int16(), producerId: reader.int64(), epoch: reader.int16() };
}

export function encodeAddPartitions(transaction: Transaction, partitions: readonly TopicPartition[]): Buffer {
  const byTopic = new Map<string, number[]>();
  for (const { topic, partition } of partitions) {
    const known = byTopic.get(topic);
    if (known === undefined) byTopic.set(topic, [partition]);
    else known.push(partition);
  }
  const writer = begin(transaction).int32(byTopic.size);
  for (const [topic, numbers] of byTopic) {
    writer.string(topic).int32(numbers.length);
    for (const partition of numbers) writer.int32(partition);
  }
  return writer.end();
}

export function encodeAddOffsets(transaction: Transaction, group: string): Buffer {
  return begin(transaction).string(group).end();
}

export function encodeEndTxn(transaction: Transaction, commit: boolean): Buffer {
  return begin(transaction).boolean(commit).end();
}

export function encodeTxnOffsetCommit(transaction: Transaction, group: string, position: OffsetToCommit): Buffer {
  const { transactionalId, identity } = transaction;
  return new ProtocolWriter()
    .string(transactionalId)
    .string(group)
    .int64(identity.producerId)
    .int16(identity.epoch)
    .int32(1)
    .string(position.topic)
    .int32(1)
    .int32(position.partition)
    .int64(BigInt(position.offset))
    .string(position.metadata)
    .end();
}

/** The answers to AddOffsetsToTxn and EndTxn. */
export function decodeErrorCode(bytes: Buffer): number {
  const reader = new ProtocolReader(bytes);
  reader.int32();
  return reader.int16();
}

/**
 * The answers to AddPartitionsToTxn and TxnOffsetCommit: the first partition that was refused, or null. Of several, not
 * one that was only left out because of another.
 */
export function decodePartitionErrors(bytes: Buffer): PartitionError | null {
  const reader = new ProtocolReader(bytes);
  reader.int32();
  const errors = reader
    .array(() => {
      const topic = reader.string();
      return reader.array(() => ({ topic, partition: reader.int32(), errorCode: reader.int16() }));
    })
    .flat()
    .filter(({ errorCode }) => errorCode !== 0);
  return errors.find(({ errorCode }) => errorCode !== OPERATION_NOT_ATTEMPTED) ?? errors[0] ?? null;
}

function begin({ transactionalId, identity }: Transaction): ProtocolWriter {
  return new ProtocolWriter().string(transactionalId).int64(identity.producerId).int16(identity.epoch);
}
