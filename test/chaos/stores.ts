import { startRedisCluster, type ClusterNode, type RedisCluster } from '../servers/redis-cluster.ts';
import { sleep } from '../servers/process.ts';
import type { Stage } from './stage.ts';
import { inWorld, type Outcome, type World } from './world.ts';

/** Redis dies, freezes, forgets, fails over: the log is the truth. */

const FREEZE_MS = 10_000;

async function killed(stage: Stage, name: string, persistence: boolean): Promise<Outcome> {
  const kills = stage.times(2, 30);
  const redis = await stage.newRedis(persistence);
  const kafka = (await stage.kafka()).bootstrap;
  return inWorld({ ...stage.world(name), kafka, redis: redis.url }, async (world) => {
    world.begin();
    world.start();
    for (let n = 1; n <= kills; n++) {
      await world.moved(300, 120_000);
      await world.between(0, 500);
      await redis.kill9();
      await world.between(0, 5_000);
      await redis.restart();
      world.say(`Redis kill ${n} of ${kills}, ${world.load?.sent} payments`);
    }
    await world.moved(300, 120_000);
    return world.finish(`${kills} kill -9 of Redis ${persistence ? 'with' : 'without'} persistence`);
  });
}

/** What was flushed is there again. */
export const redisKilled = (stage: Stage): Promise<Outcome> => killed(stage, 'redis-killed', true);

/** It comes back empty: all state is built anew from the log, each time. */
export const redisEmptied = (stage: Stage): Promise<Outcome> => killed(stage, 'redis-emptied', false);

export async function redisFrozen(stage: Stage): Promise<Outcome> {
  const freezes = stage.times(1, 10);
  const redis = await stage.newRedis(false);
  const kafka = (await stage.kafka()).bootstrap;
  return inWorld({ ...stage.world('redis-frozen'), kafka, redis: redis.url }, async (world) => {
    world.begin();
    world.start();
    for (let n = 1; n <= freezes; n++) {
      await world.moved(300, 120_000);
      redis.signal('SIGSTOP');
      await sleep(FREEZE_MS);
      redis.signal('SIGCONT');
      world.say(`Redis freeze ${n} of ${freezes}`);
    }
    await world.moved(300, 120_000);
    return world.finish(`${freezes} times Redis frozen (SIGSTOP) for 10 s`);
  });
}

/**
 * Six processes; the master of a partition's slot is killed, and its replica takes over without the last writes: state goes
 * back in time, and no decision may be made from it.
 */
export async function redisCluster(stage: Stage): Promise<Outcome> {
  const failovers = stage.times(2, 30);
  const cluster = stage.kept(await startRedisCluster());
  const kafka = (await stage.kafka()).bootstrap;
  const settings = { 'redis.mode': 'cluster', 'redis.nodes': cluster.addresses.join(',') };
  const redis = `redis://${cluster.addresses[0]}`;
  return inWorld({ ...stage.world('redis-cluster'), kafka, redis, settings }, async (world) => {
    world.begin();
    world.start();
    for (let n = 1; n <= failovers; n++) {
      await world.moved(300, 120_000);
      await world.between(0, 500);
      const dead = await failover(cluster, world);
      await world.moved(100, 120_000);
      await cluster.restart(dead);
      await cluster.settled();
      world.say(`failover ${n} of ${failovers}, ${world.load?.sent} payments`);
    }
    await world.moved(300, 120_000);
    return world.finish(`${failovers} failovers of a master of a Redis Cluster of 6`);
  });
}

/** The tag that all keys of a partition share decides which node has them. */
function failover(cluster: RedisCluster, world: World): Promise<ClusterNode> {
  const { app, transactions } = world.place.topics;
  return cluster.failover(`{${app}:${transactions}:${Math.floor(world.random() * world.partitions)}}:w`);
}
