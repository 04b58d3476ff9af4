import { ProduceQueue, type ProducerRecord } from './produce-queue.ts';

/** The queues of all partitions that were ever written to. */
export class ProduceQueues {
  private readonly byName = new Map<string, ProduceQueue>();
  private list: readonly ProduceQueue[] = [];

  all(): readonly ProduceQueue[] {
    return this.list;
  }

  /** The records of each partition, in their order. */
  group(records: readonly ProducerRecord[]): Map<ProduceQueue, ProducerRecord[]> {
    const groups = new Map<ProduceQueue, ProducerRecord[]>();
    let queue: ProduceQueue | null = null;
    let part: ProducerRecord[] = [];
    for (const record of records) {
      // Neighbours mostly go to the same place: no look-up then.
      if (queue === null || queue.partition !== record.partition || queue.topic !== record.topic) {
        queue = this.queueOf(record);
        part = groups.get(queue) ?? [];
        if (part.length === 0) groups.set(queue, part);
      }
      part.push(record);
    }
    return groups;
  }

  private queueOf({ topic, partition }: ProducerRecord): ProduceQueue {
    const name = `${topic}/${partition}`;
    let queue = this.byName.get(name);
    if (queue === undefined) {
      queue = new ProduceQueue(topic, partition);
      this.byName.set(name, queue);
      this.list = [...this.byName.values()];
    }
    return queue;
  }
}
