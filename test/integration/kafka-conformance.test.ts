import { afterAll, describe, expect, inject, it } from 'vitest';
import { modelBackend } from '../conformance/kafka-model-backend.ts';
import { realBackend } from '../conformance/kafka-real-backend.ts';
import { kafkaSuite } from '../conformance/kafka-suite.ts';
import { walkBoth } from '../conformance/kafka-walk.ts';
import { seeded } from '../support/random.ts';

kafkaSuite('brokers', () => realBackend(inject('kafka')));

describe('brokers and their model', () => {
  const real = realBackend(inject('kafka'));
  const run = `walk-${process.pid}-${Date.now()}`;
  const SEEDS = Number(process.env.KAFKA_WALKS ?? 10);

  afterAll(() => real.close());

  it.each(Array.from({ length: SEEDS }, (_, i) => i + 1))('answer random requests alike, seed %i', async (seed) => {
    const random = seeded(seed);
    expect(await walkBoth(real, modelBackend(), { steps: 80, prefix: `${run}-${seed}`, random })).toEqual([]);
  });
});
