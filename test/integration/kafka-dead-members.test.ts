import { spawn } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { FraudstreamError } from '../../src/domain/errors.ts';
import { KafkaClient } from '../../src/transport/kafka/client.ts';
import { KafkaConsumer } from '../../src/transport/kafka/consumer.ts';
import { DeadMembers } from '../../src/transport/kafka/dead-members.ts';
import { Leaders } from '../../src/transport/kafka/leaders.ts';
import { Membership } from '../../src/transport/kafka/membership.ts';
import { ProcessMark } from '../../src/transport/kafka/process-mark.ts';
import { createTopics } from '../../src/transport/kafka/topics.ts';
import { CollectingHandler, eventually } from '../servers/collecting-handler.ts';
import { startKafka, type KafkaServer } from '../servers/kafka.ts';

/** far above all that is measured here: who waits for a session to expire does not pass by luck */
const SESSION_MS = 60_000;
const EMPTY_GROUP_DELAY_MS = 7_000;
const SOON_MS = 5_000;

let kafka: KafkaServer;
let client: KafkaClient;
const closing: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  kafka = await startKafka({ properties: { 'group.initial.rebalance.delay.ms': EMPTY_GROUP_DELAY_MS } });
  client = new KafkaClient({ brokers: [kafka.bootstrap], clientId: 'dead-members' }, () => undefined);
}, 90_000);

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

afterAll(async () => {
  await kafka.stop();
});

async function newTopic(name: string): Promise<string> {
  await createTopics(client, [{ name, partitions: 2, replication: 1 }]);
  return name;
}

/** Of a process that lived on this machine, and has ended. */
async function markOfTheDead(instanceId: string | null = null): Promise<ProcessMark> {
  const child = spawn(process.execPath, ['-e', 'setTimeout(() => undefined, 60_000)'], { stdio: 'ignore' });
  const pid = child.pid;
  if (pid === undefined) throw new Error('no child');
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const mark = ProcessMark.own(instanceId, {
    pid,
    hostname: hostname(),
    read: (path) => (path === '/proc/self/stat' ? stat : readFileSync(path, 'utf8')),
    readLink: (path) => readlinkSync(path),
    probe: () => undefined,
  });
  const ended = new Promise((done) => child.once('exit', done));
  child.kill('SIGKILL');
  await ended;
  return mark;
}

/** Joins and then says nothing more, as one that was killed. */
async function silentMember(topic: string, group: string, mark: ProcessMark | null): Promise<Membership> {
  const cluster = client.openCluster();
  closing.push(() => cluster.disconnect());
  await cluster.connect();
  const leaders = new Leaders(cluster);
  await leaders.add([topic]);
  const membership = new Membership(cluster, leaders, {
    groupId: group,
    topics: [topic],
    sessionTimeoutMs: SESSION_MS,
    rebalanceTimeoutMs: SESSION_MS,
    dead: mark === null ? null : new DeadMembers(client, group, mark),
  });
  // A coordinator that is just being chosen refuses.
  await eventually('it has joined', async () => {
    const joined = await membership.join(new AbortController().signal).catch((error: FraudstreamError) => {
      if (!error.retriable) throw error;
      return null;
    });
    return joined?.assigned.length === 2;
  });
  return membership;
}

function newConsumer(topic: string, group: string, instanceId: string | null = null): KafkaConsumer {
  const handler = new CollectingHandler(() => Promise.resolve(0));
  const mark = ProcessMark.own(instanceId);
  const options = { groupId: group, topics: [topic], sessionTimeoutMs: SESSION_MS, heartbeatMs: 100, mark };
  const consumer = new KafkaConsumer(client, options, handler);
  closing.push(() => consumer.stop());
  consumer.start();
  return consumer;
}

const has = (consumer: KafkaConsumer, count: number): boolean => {
  const { state, partitions } = consumer.progress();
  return state === 'joined' && partitions.length === count;
};

describe('a group whose member has died on this machine', () => {
  it('the next process has its partitions at once: neither its session nor the pause of an empty group is waited for', async () => {
    const topic = await newTopic('alone');
    await silentMember(topic, 'alone', await markOfTheDead());
    const startMs = Date.now();
    const next = newConsumer(topic, 'alone');
    await eventually('it has both partitions', () => has(next, 2));
    expect(Date.now() - startMs).toBeLessThan(SOON_MS);
  }, 120_000);

  it('a member with the same instance id is replaced, also where nothing is known of its process; both may live', async () => {
    const topic = await newTopic('instance');
    const elsewhere = ProcessMark.own('pod-0', {
      pid: 1,
      hostname: 'elsewhere',
      read: () => {
        throw new Error('no /proc');
      },
      readLink: () => '',
      probe: () => undefined,
    });
    await silentMember(topic, 'instance', elsewhere);
    const startMs = Date.now();
    const next = newConsumer(topic, 'instance', 'pod-0');
    await eventually('it has both partitions', () => has(next, 2));
    expect(Date.now() - startMs).toBeLessThan(SOON_MS);
    // an operator's mistake: the first is removed once, joins again, and removes nobody
    const namesake = newConsumer(topic, 'instance', 'pod-0');
    await eventually('each has one', () => has(next, 1) && has(namesake, 1));
    const generation = namesake.progress().generation;
    await new Promise((done) => setTimeout(done, 3_000));
    expect(namesake.progress().generation).toBe(generation);
    expect(next.progress().generation).toBe(generation);
  }, 120_000);

  it('others of the group stay in it', async () => {
    const topic = await newTopic('beside');
    await silentMember(topic, 'beside', await markOfTheDead());
    const [first, second] = [newConsumer(topic, 'beside'), newConsumer(topic, 'beside')];
    const startMs = Date.now();
    await eventually('each has one', () => has(first, 1) && has(second, 1));
    expect(Date.now() - startMs).toBeLessThan(SOON_MS);
  }, 120_000);

  it('a member that lives, and one of whom nothing is known, are waited for', async () => {
    for (const [name, mark] of [['living', ProcessMark.own('a')] as const, ['unknown', null] as const]) {
      const topic = await newTopic(name);
      const member = await silentMember(topic, name, mark);
      const next = newConsumer(topic, name, 'b');
      await eventually('the other wants to join', () => next.progress().state === 'joining');
      await new Promise((done) => setTimeout(done, 2_000));
      expect(next.progress().state).toBe('joining');
      // it is still known to the group, and gives way by itself
      await member.leave();
      await eventually('the other has all', () => has(next, 2));
    }
  }, 120_000);
});
