import { describe, expect, it } from 'vitest';
import type { FaultKind, PlannedFault, SeedPlan } from '../simulation/plan.ts';
import { simulate } from '../simulation/simulation.ts';

/**
 * Histories that have taught us something: each found, or would have found, an error that was in the protocol once. They are
 * told by what happens, not by a seed alone, whose meaning changes with the generator.
 */

const at = (...faults: [number, FaultKind][]): PlannedFault[] => faults.map(([atMs, kind]) => ({ atMs, kind }));

const repeated = (kind: FaultKind, everyMs: number): PlannedFault[] =>
  Array.from({ length: Math.floor(12_000 / everyMs) }, (_, k) => ({ atMs: 500 + k * everyMs, kind }));

interface History {
  readonly name: string;
  readonly change: Partial<SeedPlan>;
  readonly seeds: readonly number[];
}

const HISTORIES: readonly History[] = [
  {
    name: 'a partition that was added is not a new one: its users have histories elsewhere',
    change: { operatorError: 'partitions added', faults: [], partitions: 2 },
    seeds: [1, 2],
  },
  {
    name: 'a late repeat at the end of an at-least-once output says nothing about the position',
    change: {
      delivery: 'at-least-once',
      operatorError: null,
      instances: 3,
      faults: [...repeated('requests late', 1_500), ...repeated('rebalance', 2_700)],
    },
    seeds: [1, 2, 3, 4],
  },
  {
    name: 'a failover within a flush loses slices that were confirmed: the last one must not move the watermark past them',
    change: {
      operatorError: null,
      sliceKeys: 1,
      flushRecordsMax: 10,
      cacheBytes: 1,
      faults: repeated('redis failover in a flush', 600),
    },
    seeds: [1, 2, 3, 4],
  },
  {
    name: 'a removal that comes late must not take the histories of the next owner',
    change: {
      operatorError: null,
      sliceKeys: 1,
      cacheBytes: 1,
      instances: 3,
      faults: [
        ...repeated('redis wiped', 2_000),
        ...repeated('redis commands late', 1_700),
        ...repeated('rebalance', 2_300),
      ],
    },
    seeds: [1, 2, 3, 4],
  },
  {
    name: 'a record that ends each process is put aside, also when other faults hit the acquisition that finds it',
    change: {
      operatorError: null,
      instances: 2,
      faults: at([300, 'poison'], [4_000, 'answers lost'], [8_000, 'redis answers lost'], [11_000, 'requests refused']),
    },
    seeds: [1, 2, 3],
  },
  {
    name: 'partitions that go back and forth between living processes are no deaths: two kills put nothing aside',
    change: {
      operatorError: null,
      instances: 2,
      faults: [...repeated('rebalance', 900), ...repeated('cut off', 2_900), ...at([5_000, 'kill'], [10_500, 'kill'])],
    },
    seeds: [1, 16, 37, 40, 69, 91],
  },
  {
    name: 'nor do they where records wait in hand for a registry',
    change: {
      operatorError: null,
      instances: 2,
      faults: [
        ...repeated('decoding fails', 2_000),
        ...repeated('cut off', 4_000),
        ...at([7_000, 'kill'], [11_000, 'kill']),
      ],
    },
    seeds: [1, 146],
  },
  {
    name: 'brokers that die behind the last commit of a partition forget its markers: its owner, at rest, writes them again',
    change: {
      operatorError: null,
      delivery: 'exactly-once',
      instances: 3,
      partitions: 3,
      inputMs: 10_000,
      faultsUntilMs: 15_000,
      batchRecordsMax: 25,
      faults: at(
        [9_400, 'broker killed'],
        [9_600, 'broker killed'],
        [9_800, 'broker killed'],
        [9_900, 'broker killed'],
      ),
    },
    seeds: [1, 59],
  },
];

describe('histories that have taught us something', () => {
  it.each(HISTORIES)('$name', async ({ change, seeds }) => {
    for (const seed of seeds) {
      const { faults } = await simulate(seed, { change });
      expect({ seed, faults }).toEqual({ seed, faults: [] });
    }
  });
});
