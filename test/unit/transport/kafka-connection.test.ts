import type { Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { KafkaClient } from '../../../src/transport/kafka/client.ts';
import { sendRaw, type Broker } from '../../../src/transport/kafka/kafkajs-internals.ts';
import { fakeBroker, frame, metadata } from './kafka-fake-broker.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function connectTo(
  onFetch: (correlationId: number, socket: Socket) => void,
): Promise<{ broker: Broker; sockets: () => number }> {
  const fake = await fakeBroker((apiKey, correlationId, socket) => {
    if (apiKey === 3) socket.write(frame(correlationId, metadata(fake.port)));
    else onFetch(correlationId, socket);
  }, closing);
  const settings = { brokers: [`127.0.0.1:${fake.port}`], clientId: 'unit', requestTimeoutMs: 2_000 };
  const cluster = new KafkaClient(settings, () => undefined).openCluster();
  closing.push(() => void cluster.disconnect());
  await cluster.connect();
  await cluster.refreshMetadata();
  return { broker: await cluster.findBroker({ nodeId: 1 }), sockets: fake.sockets };
}

const request = { apiKey: 1, apiVersion: 11, apiName: 'Fetch', body: [Buffer.alloc(4)], timeoutMs: 2_000 };

it('an answer that was cut off by a lost connection does not spoil the next one', async () => {
  let fetches = 0;
  const { broker } = await connectTo((correlationId, socket) => {
    const answer = frame(correlationId, Buffer.from('the whole answer'));
    if (fetches++ > 0) socket.write(answer);
    else socket.write(answer.subarray(0, 13), () => socket.destroy());
  });
  await expect(sendRaw(broker, 1, request)).rejects.toThrow();
  expect(String(await sendRaw(broker, 1, request))).toBe('the whole answer');
});

it('requests that come while it connects share one socket', async () => {
  const { broker, sockets } = await connectTo((correlationId, socket) => {
    socket.write(frame(correlationId, Buffer.from('yes')));
  });
  const before = sockets();
  const answers = await Promise.all([1, 2, 3, 4, 5].map(() => sendRaw(broker, 1, request)));
  expect(answers.map(String)).toEqual(['yes', 'yes', 'yes', 'yes', 'yes']);
  expect(sockets()).toBe(before + 1);
});

it('a version that the broker does not speak is refused with its range', async () => {
  const { broker } = await connectTo(() => undefined);
  await expect(sendRaw(broker, 1, { ...request, apiVersion: 12 })).rejects.toThrow(/speaks Fetch 0 to 11, we need 12/);
});
