import { KafkaOutputLog, type OutputLogOptions } from '../../src/transport/kafka/output-tail.ts';
import type { LogReader } from '../../src/transport/kafka/log-reader.ts';
import type { OutputLog } from '../../src/transport/output-log.ts';
import { ModelKafkaError } from './model-kafka-errors.ts';
import type { ModelKafkaClient } from './model-kafka-client.ts';

/** The real search through the end of the output, over the model's logs. */
export function modelOutputLog(client: ModelKafkaClient, options: OutputLogOptions): OutputLog {
  const reader: Pick<
    LogReader,
    'deadlineMs' | 'firstOpen' | 'stableRange' | 'range' | 'partitionCount' | 'read' | 'tooLong'
  > = {
    deadlineMs: Number.POSITIVE_INFINITY,
    firstOpen: (topic, partition) => client.firstOpen(topic, partition),
    stableRange: async (topic, partition) => {
      const { start, stable } = await client.range(topic, partition);
      return { start, end: stable };
    },
    range: async (topic, partition) => {
      const { start, end } = await client.range(topic, partition);
      return { start, end };
    },
    partitionCount: async (topic) => (await client.identity(topic)).partitions,
    read: (stretch, take) => client.read(stretch, take),
    tooLong: (topic, partition) => new ModelKafkaError('NO_ANSWER', `${topic}/${partition} was not read in time`),
  };
  return new KafkaOutputLog(reader as LogReader, options);
}
