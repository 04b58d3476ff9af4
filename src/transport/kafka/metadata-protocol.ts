import { ProtocolReader, ProtocolWriter } from './protocol-bytes.ts';

/**
 * The Metadata request, version 10, the first that tells a topic's id (KIP-516); KafkaJS ends at 6. It is a flexible
 * version (KIP-482): the tagged fields that end the headers of request and response are written and read here, as the
 * first byte of each body. Pure.
 */

export const METADATA_API = { apiKey: 3, apiVersion: 10, apiName: 'Metadata' } as const;

export interface TopicMetadata {
  readonly clusterId: string;
  readonly errorCode: number;
  /** 32 hexadecimal digits */
  readonly topicId: string;
  readonly partitions: number;
}

const NO_TAGS = 0;
const UUID_BYTES = 16;

export function encodeMetadata(topic: string): Buffer {
  return new ProtocolWriter()
    .unsignedVarint(NO_TAGS) // of the header
    .unsignedVarint(2) // one topic
    .raw(Buffer.alloc(UUID_BYTES)) // by its name
    .compactString(topic)
    .unsignedVarint(NO_TAGS)
    .boolean(false) // do not create it
    .boolean(false)
    .boolean(false)
    .unsignedVarint(NO_TAGS)
    .end();
}

/** Throws a RangeError when the response is shorter than it says, or speaks of no topic. */
export function decodeMetadata(bytes: Buffer): TopicMetadata {
  const reader = new ProtocolReader(bytes);
  reader.tags();
  reader.int32(); // throttle time
  reader.compactArray(() => {
    reader.int32();
    reader.compactString();
    reader.int32();
    reader.compactString();
    reader.tags();
  });
  const clusterId = reader.compactString();
  reader.int32(); // controller
  const topics = reader.compactArray(() => {
    const errorCode = reader.int16();
    reader.compactString();
    const topicId = reader.slice(UUID_BYTES).toString('hex');
    reader.int8(); // internal
    const partitions = reader.compactArray(() => {
      reader.skip(2 + 4 + 4 + 4);
      for (let list = 0; list < 3; list++) reader.compactArray(() => reader.int32());
      reader.tags();
    });
    reader.int32(); // authorized operations
    reader.tags();
    return { clusterId, errorCode, topicId, partitions: partitions.length };
  });
  const [topic] = topics;
  if (topic === undefined) throw new RangeError('the response speaks of no topic');
  return topic;
}
