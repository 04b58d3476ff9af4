import { describe, expect, it } from 'vitest';
import type { AcquisitionOptions } from '../../../src/delivery/acquisition.ts';
import type { ErrorCode } from '../../../src/domain/errors.ts';
import type { LogMark } from '../../../src/domain/log-mark.ts';
import {
  type Change,
  LOG,
  MARK,
  NO_STATE,
  NOTHING,
  output,
  plan,
  setTo,
  siblingAt,
  witness,
} from './acquisition-facts.ts';

describe('what does not fit together halts the partition', () => {
  const other = (what: Partial<LogMark>): Change => ({
    facts: { note: { mark: { ...MARK, lastOffset: 39, lastHash: 'hash-39', ...what }, knownSinceMs: 0 } },
  });
  it.each<[ErrorCode, string, Change, RegExp, Partial<AcquisitionOptions>?]>([
    [
      'FS_INPUT_COMPACTED',
      'a compacted input',
      { facts: { log: { ...LOG, compacted: true } } },
      /set cleanup.policy of transactions to delete/,
    ],
    [
      'FS_POSITION_FOREIGN',
      'set forward',
      setTo(80, output(58, 59).facts),
      /set to 80 .*: records 60 to 79 would never be decided; .*--partition 3 --skip; .*--redecide --to 60/,
    ],
    [
      'FS_POSITION_FOREIGN',
      'set back',
      setTo(20),
      /records 20 to 59 would be decided again; .*--partition 3 --redecide; .*--skip --to 60/,
    ],
    [
      'FS_POSITION_FOREIGN',
      'set where the output ends',
      setTo(60),
      /where the output ends; .*accept --partition 3 --skip/,
    ],
    [
      'FS_POSITION_FOREIGN',
      'set before the state of an empty output',
      setTo(20, { output: NOTHING.output! }),
      /records 20 to 39 would be decided again/,
    ],
    [
      'FS_POSITION_FOREIGN',
      'a newer version',
      { facts: { committed: { offset: 60, position: 'newer' } } },
      /by a newer version of fraudstream: run that one/,
    ],
    [
      'FS_POSITION_LOST',
      'no position, but output and state',
      { facts: { committed: null } },
      /its state reaches 40 and its output reaches input 59; to go on at 60: .*--partition 3 --skip --to 60/,
    ],
    [
      'FS_POSITION_LOST',
      'no position, but state',
      { facts: { committed: null, output: NOTHING.output! } },
      /its state reaches 40; to go on at 40: .*--skip --to 40/,
    ],
    [
      'FS_POSITION_LOST',
      'no position, but output',
      { facts: { ...NO_STATE, committed: null } },
      /its output reaches input 59; .*--skip --to 60/,
    ],
    [
      'FS_POSITION_LOST',
      'no position, but output that retention deleted',
      { facts: { ...NOTHING, ...output(null).facts } },
      /its output was written before; to go on at 10/,
    ],
    [
      'FS_LOG_CHANGED',
      'another cluster',
      { mark: { clusterId: 'c0' } },
      /position of transactions\/3 belongs to cluster c0, this is c1; .*--partition 3 --log; .*rebase --partition 3/,
    ],
    [
      'FS_LOG_CHANGED',
      'the topic was made anew',
      { mark: { topicId: 't0' } },
      /topic id t0, this one is t1: the topic was made anew/,
    ],
    [
      'FS_LOG_CHANGED',
      'the state of another cluster',
      other({ clusterId: 'c0' }),
      /the state of transactions\/3 belongs to cluster c0/,
    ],
    [
      'FS_LOG_CHANGED',
      'state alone, of another topic',
      { facts: { ...other({ topicId: 't0' }).facts, committed: null } },
      /the state .*topic id t0/,
    ],
    [
      'FS_LOG_CHANGED',
      'another record before the position',
      { facts: { recordAtPosition: 'hash-x' } },
      /record 59 of transactions\/3 is another one than when the position was written.*--log/,
    ],
    [
      'FS_LOG_CHANGED',
      'no record before the position',
      { facts: { recordAtPosition: null } },
      /record 59 of transactions\/3 is gone/,
    ],
    [
      'FS_LOG_CHANGED',
      'another record before the state',
      { facts: { recordAtNote: 'hash-x' } },
      /record 39 of transactions\/3 is another one than when the state was written/,
    ],
    [
      'FS_PARTITIONS_CHANGED',
      'added partitions',
      { mark: { partitions: 3 } },
      /transactions has 4 partitions, the position of transactions\/3 was made with 3; .*state repartition/,
    ],
    [
      'FS_PARTITIONS_CHANGED',
      'state of fewer partitions',
      other({ partitions: 2 }),
      /the state of transactions\/3 was made with 2/,
    ],
    [
      'FS_PARTITIONS_CHANGED',
      'an added partition without a position',
      siblingAt({ partitions: 3 }),
      /has 4 partitions, the position of transactions\/0 was made with 3; .*state repartition/,
    ],
    [
      'FS_LOG_CHANGED',
      'a partition without a position, in another cluster than its sibling',
      siblingAt({ clusterId: 'c0' }),
      /the position of transactions\/0 belongs to cluster c0/,
    ],
    [
      'FS_DELIVERY_CHANGED',
      'now exactly-once',
      { mark: { delivery: 'at-least-once' } },
      /committed with delivery at-least-once, this process has exactly-once; stop all members.*--delivery exactly-once/,
    ],
    [
      'FS_DELIVERY_CHANGED',
      'now at-least-once',
      {},
      /--partition 3 --delivery at-least-once/,
      { delivery: 'at-least-once' },
    ],
    [
      'FS_OUTPUT_MISMATCH',
      'decisions beyond the position',
      output(60),
      /is at 60, but its output reaches input 60: .*--skip --to 61; to decide 60 to 60 again: .*--redecide/,
    ],
    ['FS_OUTPUT_MISMATCH', 'flagged payments beyond the position', witness({ lastFlagged: 61 }), /reaches input 61/],
    [
      'FS_OUTPUT_MISMATCH',
      'output before the position that has no end marker',
      witness({ firstOpen: 59 }),
      /output of input 59 waits for the end of its transaction/,
    ],
    ['FS_OUTPUT_MISMATCH', 'dead letters beyond the position', output(58, 63), /reaches input 63/],
    [
      'FS_OUTPUT_MISMATCH',
      'beyond what was accepted',
      { position: { acceptedTo: 70 }, ...output(71) },
      /reaches input 71/,
    ],
    [
      'FS_OUTPUT_MISMATCH',
      'lost decisions',
      output(50),
      /output ends with input 50: decisions 51 to 58 were lost; .*--redecide --to 51; .*--skip/,
    ],
    [
      'FS_OUTPUT_MISMATCH',
      'an output made anew',
      output(null, null, true),
      /decided up to 58, and its output is empty: .*made anew, or is another one/,
    ],
    [
      'FS_OFFSET_OUT_OF_RANGE',
      'deleted before it was decided',
      { facts: { range: { start: 70, end: 100 } } },
      /is at 60, the log holds 70 to 100: records 60 to 69 were deleted .*--skip --to 70/,
    ],
    [
      'FS_OFFSET_OUT_OF_RANGE',
      'a truncated log',
      { facts: { range: { start: 10, end: 55 } } },
      /holds 10 to 55: records 55 to 59 were decided and are gone: the log was truncated; .*--log/,
    ],
    [
      'FS_STATE_AHEAD',
      'state ahead of the position',
      { facts: { state: { watermark: 61, fingerprint: 'layout-1', note: 's1', flushing: null } } },
      /state of transactions\/3 reaches 61, its position is 60; .*state drop --partition 3/,
    ],
    [
      'FS_STATE_AHEAD',
      'a flush that had begun to write histories ahead of the position',
      { facts: { state: { watermark: 40, fingerprint: 'layout-1', note: 's1', flushing: 61 } } },
      /state of transactions\/3 reaches 61, its position is 60/,
    ],
    [
      'FS_POSITION_LOST',
      'no position, but a first flush that had begun',
      { facts: { ...NOTHING, state: { ...NO_STATE.state, flushing: 7 } } },
      /its state reaches 7; to go on at 7/,
    ],
    [
      'FS_OUTPUT_MISMATCH',
      'a position from before the output, and retention has passed it',
      { ...output(58, 59), position: { offset: 5 } },
      /is at 5, but its output reaches input 59/,
    ],
  ])('%s: %s', (code, _, change, message, options = {}) => {
    expect(() => plan(change, options)).toThrow(
      expect.objectContaining({
        code,
        message: expect.stringMatching(message) as string,
        place: expect.objectContaining({ topic: 'transactions', partition: 3 }) as object,
      }) as Error,
    );
  });
});
