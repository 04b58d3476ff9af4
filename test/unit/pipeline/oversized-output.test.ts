import { describe, expect, it } from 'vitest';
import { FraudstreamError } from '../../../src/domain/errors.ts';
import type { PartitionWorker } from '../../../src/pipeline/partition-worker.ts';
import { recordOf, World } from '../../support/pipeline-world.ts';

const TRUNCATED = 'fraudstream.payload.truncated';
const HUGE = Buffer.alloc(2_000_000, 7);

async function setUp(): Promise<{ world: World; worker: PartitionWorker }> {
  const world = await World.of(4);
  world.log[1] = { ...recordOf(1), value: HUGE, headers: { traceparent: Buffer.from('00-1') } };
  return { world, worker: world.worker() };
}

/** As the consumer does: after a retriable error the partition is acquired anew. Returns the codes that were met. */
async function untilDone(world: World, worker: PartitionWorker): Promise<string[]> {
  const codes: string[] = [];
  for (let round = 0; round < 10; round++) {
    try {
      await world.run(worker, 4);
      return codes;
    } catch (thrown) {
      const error = thrown as FraudstreamError;
      codes.push(error.code);
      if (!error.retriable) return codes;
    }
  }
  throw new Error('is never done');
}

function refuse(world: World, times: number): void {
  const error = new FraudstreamError('FS_OUTPUT_TOO_LARGE', 'dead-letter/0');
  for (let k = 0; k < times; k++) world.broker.fail('produce', 'before', error);
}

describe('an output that its topic refuses for its size', () => {
  it('is cut when it is a dead letter, by an acquisition anew, and the others are written with it', async () => {
    const { world, worker } = await setUp();
    refuse(world, 1);
    expect(await untilDone(world, worker)).toEqual(['FS_KAFKA_UNAVAILABLE']);
    expect(world.commits).toEqual([0, 0, 4]);
    expect(world.failed).toEqual(['FS_OUTPUT_TOO_LARGE']);
    expect(world.warnings).toContain('an output is refused for its size: dead letters are cut');
    expect(world.sink.of('decisions')).toHaveLength(3);
    const [letter] = world.sink.of('dead-letter');
    expect(letter?.value?.equals(HUGE.subarray(0, 900_000))).toBe(true);
    expect(letter?.key).toEqual(Buffer.from('u_1'));
    expect(String(letter?.headers?.[TRUNCATED])).toBe('2000000');
    expect(String(letter?.headers?.['traceparent'])).toBe('00-1');
    expect(String(letter?.headers?.['fraudstream.error.code'])).toBe('FS_RECORD_TOO_LARGE');
  });

  it('is cut further where the topic allows less, and still says how many bytes came in', async () => {
    const { world, worker } = await setUp();
    refuse(world, 3);
    expect(await untilDone(world, worker)).toEqual(Array(3).fill('FS_KAFKA_UNAVAILABLE'));
    const letters = world.sink.of('dead-letter');
    expect(letters).toHaveLength(1);
    expect(letters[0]!.value).toHaveLength(0);
    expect(String(letters[0]!.headers?.[TRUNCATED])).toBe('2000000');
    expect(world.committedAt).toBe(4);
  });

  it('is an error when cutting does not help, and nothing is committed', async () => {
    const { world, worker } = await setUp();
    refuse(world, 4);
    expect(await untilDone(world, worker)).toEqual([...Array(3).fill('FS_KAFKA_UNAVAILABLE'), 'FS_OUTPUT_TOO_LARGE']);
    expect(world.committedAt).toBe(0);
    expect(world.sink.records).toEqual([]);
  });

  it('is cut only while it must be: the next one is whole', async () => {
    const { world, worker } = await setUp();
    refuse(world, 1);
    await untilDone(world, worker);
    world.log.push({ ...recordOf(4), value: HUGE });
    await world.handle(worker, 4, 5);
    expect(world.sink.of('dead-letter').map(({ value }) => value!.length)).toEqual([900_000, 2_000_000]);
  });

  it('is not cut when it fits', async () => {
    const { world, worker } = await setUp();
    expect(await untilDone(world, worker)).toEqual([]);
    const [letter] = world.sink.of('dead-letter');
    expect(letter?.value?.equals(HUGE)).toBe(true);
    expect(Object.keys(letter?.headers ?? {})).not.toContain(TRUNCATED);
  });
});
