import { sleep } from '../servers/process.ts';
import { until, type Program } from '../support/e2e-process.ts';
import type { Stage } from './stage.ts';
import { inWorld, type Outcome } from './world.ts';

/** Processors that are killed, come and go, and freeze. */

const INSTANCES = 3;
/** longer than the session of the scenarios (3 s) */
const FREEZE_MS = 7_000;

/** kill -9 at random moments: also before it has joined, between two flushes, in the middle of a transaction. */
export async function kill(stage: Stage): Promise<Outcome> {
  const kills = stage.times(5, 200);
  const servers = { kafka: (await stage.kafka()).bootstrap, redis: (await stage.redis()).url };
  return inWorld({ ...stage.world('kill'), ...servers }, async (world) => {
    world.begin();
    for (let n = 1; n <= kills; n++) {
      const program = world.start();
      const early = n % 5 === 2;
      if (!early) await world.moved(1 + Math.floor(world.random() * 400));
      await world.between(0, early ? 4_000 : 600);
      await program.kill9();
      world.say(`kill ${n} of ${kills}, ${world.load?.sent} payments`);
    }
    const outcome = await world.finish(`${kills} kill -9 of the processor`);
    if (!stage.long) return outcome;
    return { ...outcome, notes: { java: await world.askJava(world.place.topics.decisions) } };
  });
}

/** Three instances, one of which joins, leaves or dies at any moment. */
export async function comingAndGoing(stage: Stage): Promise<Outcome> {
  const changes = stage.times(8, 150);
  const servers = { kafka: (await stage.kafka()).bootstrap, redis: (await stage.redis()).url };
  return inWorld({ ...stage.world('coming-and-going'), ...servers, partitions: 6 }, async (world) => {
    world.begin();
    const slots: (Program | null)[] = Array.from({ length: INSTANCES }, (): Program | null => world.start());
    const done = { joined: INSTANCES, left: 0, killed: 0 };
    for (let n = 1; n <= changes; n++) {
      await world.between(300, 3_000);
      const slot = Math.floor(world.random() * INSTANCES);
      const program = slots[slot] ?? null;
      if (program === null) {
        slots[slot] = world.start();
        done.joined++;
      } else if (world.random() < 0.6) {
        // its end is not waited for: others join while it leaves
        program.kill('SIGTERM');
        slots[slot] = null;
        done.left++;
      } else {
        program.kill('SIGKILL');
        slots[slot] = null;
        done.killed++;
      }
      if (n % 10 === 0) {
        if (!slots.some((one) => one !== null)) slots[0] = world.start();
        await world.moved(100);
        world.say(`change ${n} of ${changes}, ${world.load?.sent} payments`);
      }
    }
    return world.finish(`3 instances: ${done.joined} joined, ${done.left} left, ${done.killed} killed`);
  });
}

/** One of two is frozen for longer than its session, and thawed when the other has taken over. */
export async function zombie(stage: Stage): Promise<Outcome> {
  const freezes = stage.times(1, 30);
  const servers = { kafka: (await stage.kafka()).bootstrap, redis: (await stage.redis()).url };
  return inWorld({ ...stage.world('zombie'), ...servers }, async (world) => {
    world.begin();
    const both = [world.start(), world.start()];
    await Promise.all(both.map(assigned));
    for (let n = 1; n <= freezes; n++) {
      await world.moved(300);
      const frozen = both[n % 2] as Program;
      await world.between(0, 500);
      frozen.kill('SIGSTOP');
      await sleep(FREEZE_MS + world.random() * 3_000);
      await world.moved(100);
      frozen.kill('SIGCONT');
      await world.between(500, 2_000);
      world.say(`freeze ${n} of ${freezes}`);
    }
    await world.moved(100);
    return world.finish(`${freezes} times frozen for more than a session, then thawed`);
  });
}

/** It has joined and was given partitions. */
function assigned(program: Program): Promise<void> {
  const has = (): boolean => program.log().some(({ message }) => message === 'partition acquired');
  return until('the member has a partition', has, { programs: [program] });
}
