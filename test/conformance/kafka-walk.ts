import type { TopicPartition } from '../../src/transport/transactions.ts';
import type { KafkaBackend } from './kafka-backend.ts';
import { outcomeOf, TransactionDriver } from './kafka-transaction.ts';

/** One request on both sides, what it is called in a report, and what it means for the sequences when it is accepted. */
interface Step {
  readonly who: number;
  readonly name: string;
  readonly run: (side: Side) => Promise<unknown>;
  readonly accepted?: () => void;
}

interface Side {
  readonly backend: KafkaBackend;
  readonly drivers: readonly TransactionDriver[];
}

export interface WalkOptions {
  readonly steps: number;
  /** unique: begins the names of topics, group and ids */
  readonly prefix: string;
  /** 0 … 1 */
  readonly random: () => number;
}

const DRIVERS = 3;
const PLACES = 2;
const SETTLE_TRIES = 200;

/**
 * The same random requests, right and wrong ones, to two Kafkas in lockstep: three producers, two of which fight for one
 * transactional id, over two partitions and a group. @returns the differences, each with the steps before it
 */
export async function walkBoth(real: KafkaBackend, model: KafkaBackend, options: WalkOptions): Promise<string[]> {
  const { prefix, steps } = options;
  const random = { below: (n: number): number => Math.floor(options.random() * n), unit: options.random };
  const group = `${prefix}-group`;
  const places: TopicPartition[] = Array.from({ length: PLACES }, (_, partition) => ({ topic: prefix, partition }));
  const sides: Side[] = [];
  for (const backend of [real, model]) {
    await backend.createTopic(prefix, PLACES);
    const drivers = ['shared', 'shared', 'own'].map((id) => new TransactionDriver(backend, `${prefix}-${id}`));
    for (const driver of drivers) await driver.init();
    sides.push({ backend, drivers });
  }
  const sequences = Array.from({ length: DRIVERS }, () => places.map(() => 0));
  /** what each has in its transaction, and whether it was refused last: most steps make sense */
  const added = Array.from({ length: DRIVERS }, () => new Set<number>());
  const refused = Array.from({ length: DRIVERS }, () => false);
  const trace: string[] = [];

  const nextStep = (): Step => {
    const who = random.below(DRIVERS);
    const inHand = [...(added[who] as Set<number>)];
    const sensible = inHand.length > 0 && random.unit() < 0.85;
    const at = sensible ? (inHand[random.below(inHand.length)] as number) : random.below(PLACES);
    const place = places[at] as TopicPartition;
    const mine = sequences[who] as number[];
    const driver = (side: Side): TransactionDriver => side.drivers[who] as TransactionDriver;
    if (random.unit() < (refused[who] === true ? 0.25 : 0.03)) {
      const accepted = (): void => {
        mine.fill(0);
        added[who]?.clear();
      };
      return { who, name: `${who} init`, run: (side) => driver(side).init(), accepted };
    }
    const kind = inHand.length === 0 && random.unit() < 0.8 ? 0.2 : random.unit();
    if (kind < 0.3) {
      const accepted = (): void => void added[who]?.add(at);
      return { who, name: `${who} add ${at}`, run: (side) => driver(side).add(place), accepted };
    }
    if (kind < 0.36) return { who, name: `${who} addOffsets`, run: (side) => driver(side).addOffsets(group) };
    if (kind < 0.68) {
      const wrong = random.unit();
      const next = mine[at] as number;
      const sequence = wrong < 0.7 ? next : wrong < 0.8 ? 0 : wrong < 0.95 ? random.below(next + 1) : next + 1;
      const values = Array.from({ length: 1 + random.below(3) }, (_, i) => `${trace.length}.${i}`);
      return {
        who,
        name: `${who} produce ${at} #${sequence}+${values.length}`,
        run: (side) => driver(side).produce(place, sequence, ...values),
        accepted: () => {
          mine[at] = Math.max(next, sequence + values.length);
        },
      };
    }
    if (kind < 0.76) {
      const offset = random.below(1_000);
      const run = (side: Side): Promise<unknown> => driver(side).commitOffset(group, place, offset, `m${offset}`);
      return { who, name: `${who} commitOffset ${at} ${offset}`, run };
    }
    if (kind < 0.79) {
      const offset = random.below(1_000);
      const run = ({ backend }: Side): Promise<unknown> =>
        backend.ledger(group).commit(place.topic, at, offset, 'plain');
      return { who, name: `plain commit ${at} ${offset}`, run };
    }
    const commit = random.unit() < 0.55;
    return {
      who,
      name: `${who} end ${commit}`,
      run: (side) => driver(side).end(commit),
      accepted: () => added[who]?.clear(),
    };
  };

  const [realSide, modelSide] = sides as [Side, Side];
  for (let i = 0; i < steps; i++) {
    const step = nextStep();
    const modelOutcome = await outcomeOf(step.run(modelSide));
    let realOutcome = await outcomeOf(step.run(realSide));
    // While a transaction is being completed, brokers refuse for the time being what they refuse for good soon after.
    for (let tries = 0; realOutcome === 'FS_KAFKA_UNAVAILABLE' && tries < 40; tries++) {
      await real.wait(25);
      realOutcome = await outcomeOf(step.run(realSide));
    }
    trace.push(`${step.name}: ${realOutcome}`);
    if (realOutcome !== modelOutcome) return [...trace, `model: ${modelOutcome}`];
    refused[step.who] = realOutcome === 'FS_KAFKA_FENCED';
    if (realOutcome === 'ok') step.accepted?.();
    const expected = JSON.stringify(await observe(model, places, group));
    let found = '';
    for (let tries = 0; tries < SETTLE_TRIES && found !== expected; tries++) {
      if (tries > 0) await real.wait(25);
      found = JSON.stringify(await observe(real, places, group));
    }
    if (found !== expected) return [...trace, `brokers: ${found}`, `model: ${expected}`];
  }
  for (const place of places) {
    const [found, expected] = [await contents(realSide, place), await contents(modelSide, place)];
    if (found !== expected) return [...trace, `brokers: ${found}`, `model: ${expected}`];
  }
  return [];
}

async function observe(backend: KafkaBackend, places: readonly TopicPartition[], group: string): Promise<unknown> {
  const ranges = await Promise.all(places.map((place) => backend.range(place)));
  const offsets = await Promise.all(places.map(({ topic, partition }) => backend.ledger(group).read(topic, partition)));
  return { ranges, offsets };
}

/** Records, aborted list and epochs, with producer ids by the number of the driver. */
async function contents({ backend, drivers }: Side, place: TopicPartition): Promise<string> {
  const ids = drivers.map((driver) => Number(driver.open.identity.producerId));
  const records = await backend.read(place, 0);
  const { aborted } = await backend.fetch(place, 0);
  return JSON.stringify({
    records: records.map(({ offset, value }) => `${offset} ${String(value)}`),
    aborted: aborted.map(({ producerId, firstOffset }) => [ids.indexOf(producerId), firstOffset]),
    epochs: drivers.map((driver) => driver.open.identity.epoch),
  });
}
