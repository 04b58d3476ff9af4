import type { ErrorCode } from '../../src/domain/errors.ts';
import type { PartitionState } from '../../src/state/store.ts';
import type { Fleet } from './fleet.ts';
import { committedIn } from './log-reader.ts';
import { modelKeys, stateIn } from './model-redis-store.ts';
import type { OperatorError } from './plan.ts';
import type { Random } from './random.ts';
import { APP, INPUT, LEDGER_GROUP, OUTPUTS, type World } from './world.ts';

/** What must halt, and how it must say why. */
export interface Expectation {
  readonly partitions: readonly number[];
  readonly codes: readonly ErrorCode[];
}

/** null: what is wrong could not be made in this world, e.g. for want of anything decided. */
export function applyOperatorError(world: World, fleet: Fleet, error: OperatorError): Expectation | null {
  const random = world.random.stream('operator');
  const all = Array.from({ length: world.plan.partitions }, (_, partition) => partition);
  const partition = random.pick(all);
  const expectation = make(world, fleet, random, error, partition, all);
  if (expectation === null) return null;
  // More is there to be decided, wrongly.
  for (const each of all) more(world, each);
  return expectation;
}

function make(
  world: World,
  fleet: Fleet,
  random: Random,
  error: OperatorError,
  partition: number,
  all: readonly number[],
): Expectation | null {
  const { kafka, redis } = world;
  const log = kafka.log(INPUT, partition);
  const committed = world.standing(partition).committed as number;
  const one = (...codes: ErrorCode[]): Expectation => ({ partitions: [partition], codes });
  const every = (...codes: ErrorCode[]): Expectation => ({ partitions: all, codes });
  const decided = decidedInputs(world, partition);
  const keys = modelKeys(APP, { topic: INPUT, partition });
  switch (error) {
    case 'offset reset forward':
      more(world, partition);
      kafka.resetOffset(LEDGER_GROUP, INPUT, partition, random.int(committed + 1, log.end));
      return one('FS_POSITION_FOREIGN');
    case 'offset reset back':
      kafka.resetOffset(LEDGER_GROUP, INPUT, partition, random.int(log.start, committed));
      return one('FS_POSITION_FOREIGN');
    case 'committed by a newer version':
      kafka
        .offsetsOf(LEDGER_GROUP)
        .store({ topic: INPUT, partition, offset: committed, metadata: 'fs2 something' }, kafka.time.nowMs());
      return one('FS_POSITION_FOREIGN');
    case 'position of another partition copied':
      return copyPosition(world, partition, random, all) ? one('FS_POSITION_FOREIGN') : null;
    case 'offset moved, metadata kept': {
      const own = kafka.offsetsOf(LEDGER_GROUP).read(INPUT, partition);
      if (own === null) return null;
      const offset = random.int(log.start, log.end - 1);
      const moved = offset >= committed ? offset + 1 : offset;
      kafka
        .offsetsOf(LEDGER_GROUP)
        .store({ topic: INPUT, partition, offset: moved, metadata: own.metadata }, kafka.time.nowMs());
      return one('FS_POSITION_FOREIGN');
    }
    case 'ledger deleted':
      kafka.deleteGroup(LEDGER_GROUP);
      return every('FS_POSITION_LOST');
    case 'ledger and state deleted':
      kafka.deleteGroup(LEDGER_GROUP);
      redis.wipe();
      return { partitions: all.filter((each) => decidedInputs(world, each).length > 0), codes: ['FS_POSITION_LOST'] };
    case 'ledger went back':
      return lose(world, random, partition);
    case 'state ahead': {
      const state = stateIn(redis.data, keys);
      if (state.watermark === null) return null;
      const ahead: PartitionState = { ...state, watermark: committed + random.int(1, 9) };
      redis.edit(keys.state, JSON.stringify(ahead));
      return one('FS_STATE_AHEAD');
    }
    case 'log truncated': {
      if (committed - log.start < 2) return null;
      kafka.truncate(INPUT, partition, random.int(Math.max(log.start, committed - 20), committed - 1));
      if (log.end >= committed) return null;
      world.moreEvents = 0;
      return one('FS_OFFSET_OUT_OF_RANGE');
    }
    case 'log truncated and written on': {
      const last = committedIn(log)
        .filter(({ offset }) => offset < committed)
        .at(-1);
      if (last === undefined) return null;
      kafka.truncate(INPUT, partition, random.int(Math.max(log.start, last.offset - 10), last.offset));
      // Past where it ended.
      while (log.end <= committed) more(world, partition);
      // Where markers were lost, the end of what can be read is behind the position too.
      return one('FS_LOG_CHANGED', 'FS_OFFSET_OUT_OF_RANGE');
    }
    case 'topic made anew':
      kafka.recreateTopic(INPUT);
      return every('FS_POSITION_LOST', 'FS_LOG_CHANGED');
    case 'topic made anew, ledger kept': {
      const positions = all.map((each) => kafka.offsetsOf(LEDGER_GROUP).read(INPUT, each));
      kafka.recreateTopic(INPUT);
      for (const [each, position] of positions.entries()) {
        if (position === null) continue;
        kafka.offsetsOf(LEDGER_GROUP).store({ topic: INPUT, partition: each, ...position }, kafka.time.nowMs());
        while (kafka.log(INPUT, each).end <= position.offset) more(world, each);
      }
      return every('FS_LOG_CHANGED');
    }
    case 'topic restored under another id':
      Object.assign(kafka.topic(INPUT), { id: 'topic-id-of-a-copy' });
      return every('FS_LOG_CHANGED');
    case 'partitions added': {
      const count = all.length + random.int(1, 2);
      for (const topic of [INPUT, ...Object.values(OUTPUTS)]) kafka.addPartitions(topic, count);
      for (let each = all.length; each < count; each++) {
        kafka.log(INPUT, each).append(null, [world.payments.next(partition), world.payments.next(partition)]);
      }
      return { partitions: Array.from({ length: count }, (_, each) => each), codes: ['FS_PARTITIONS_CHANGED'] };
    }
    case 'another cluster':
      kafka.clusterId = 'another-cluster';
      return every('FS_LOG_CHANGED');
    case 'delivery flipped':
      fleet.delivery = world.plan.delivery === 'exactly-once' ? 'at-least-once' : 'exactly-once';
      return every('FS_DELIVERY_CHANGED');
    case 'output made anew':
      if (decided.length === 0) return null;
      kafka.recreateTopic(OUTPUTS.decisions);
      return one('FS_OUTPUT_MISMATCH');
    case 'output truncated': {
      const outputs = kafka.log(OUTPUTS.decisions, partition);
      kafka.truncate(OUTPUTS.decisions, partition, Math.max(0, outputs.end - random.int(3, 30)));
      // What is left of a transaction would wait for its marker, and be given it at takeover: then nothing was lost.
      kafka.truncate(OUTPUTS.decisions, partition, outputs.lastStableOffset);
      return decidedInputs(world, partition).at(-1) === decided.at(-1) ? null : one('FS_OUTPUT_MISMATCH');
    }
    case 'records deleted before they were decided':
      for (let k = 0; k < 3; k++) more(world, partition);
      kafka.deleteRecords(INPUT, partition, random.int(committed + 1, log.end));
      return one('FS_OFFSET_OUT_OF_RANGE');
    case 'input compacted':
      Object.assign(kafka.topic(INPUT), { compacted: true });
      return every('FS_INPUT_COMPACTED');
  }
}

/** Its offsets partition loses the last commits: an older position, whole and signed. */
function lose(world: World, random: Random, partition: number): Expectation | null {
  // With at-least-once that is a legal repeat, unless the state is ahead of it, which the flush has seen to.
  const before = world.standing(partition).committed as number;
  world.kafka.loseOffsets(LEDGER_GROUP, random.int(2, 40));
  const { committed, watermark } = world.standing(partition);
  if (committed === null) return { partitions: [partition], codes: ['FS_POSITION_LOST'] };
  const decided = decidedInputs(world, partition).filter((offset) => offset >= committed);
  if (committed === before || (decided.length === 0 && watermark! <= committed)) return null;
  return { partitions: [partition], codes: ['FS_OUTPUT_MISMATCH', 'FS_STATE_AHEAD'] };
}

/** A tool that copies offsets with their metadata, to the wrong partition. */
function copyPosition(world: World, partition: number, random: Random, all: readonly number[]): boolean {
  const offsets = world.kafka.offsetsOf(LEDGER_GROUP);
  const others = all.filter((each) => each !== partition);
  const from = others.length === 0 ? null : offsets.read(INPUT, random.pick(others));
  if (from === null) return false;
  offsets.store({ topic: INPUT, partition, ...from }, world.kafka.time.nowMs());
  return true;
}

/** Input offsets of all decisions and dead letters that can be read. */
function decidedInputs(world: World, partition: number): number[] {
  return world.decidedInputs(partition);
}

function more(world: World, partition: number): void {
  const count = world.moreEvents;
  if (count === 0) return;
  const records = Array.from({ length: count }, () => world.payments.next(partition));
  world.kafka.log(INPUT, partition).append(null, records);
}
