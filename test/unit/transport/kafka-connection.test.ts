import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { KafkaClient } from '../../../src/transport/kafka/client.ts';
import { sendRaw, type Broker } from '../../../src/transport/kafka/kafkajs-internals.ts';

// A broker that speaks just enough: ApiVersions and Metadata, then whatever the test wants.
const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

const frame = (correlationId: number, body: Buffer): Buffer => {
  const head = Buffer.alloc(8);
  head.writeInt32BE(4 + body.length, 0);
  head.writeInt32BE(correlationId, 4);
  return Buffer.concat([head, body]);
};

/** Answers ApiVersions for all of ours, and gives other requests to `onRequest`. */
async function fakeBroker(
  onRequest: (apiKey: number, correlationId: number, socket: Socket) => void,
): Promise<{ port: number; sockets: () => number }> {
  let sockets = 0;
  const server: Server = createServer((socket) => {
    sockets++;
    let buffered = Buffer.alloc(0);
    socket.on('error', () => undefined);
    closing.push(() => socket.destroy());
    socket.on('data', (data: Buffer) => {
      buffered = Buffer.concat([buffered, data]);
      while (buffered.length >= 4 && buffered.length >= 4 + buffered.readInt32BE(0)) {
        const apiKey = buffered.readInt16BE(4);
        const correlationId = buffered.readInt32BE(8);
        buffered = buffered.subarray(4 + buffered.readInt32BE(0));
        if (apiKey !== 18) {
          onRequest(apiKey, correlationId, socket);
          continue;
        }
        const body = Buffer.alloc(2 + 4 + 4 * 6 + 4);
        body.writeInt32BE(4, 2);
        [3, 1, 0, 18].forEach((key, i) => {
          body.writeInt16BE(key, 6 + i * 6);
          body.writeInt16BE(0, 8 + i * 6);
          body.writeInt16BE(key === 3 ? 1 : 11, 10 + i * 6);
        });
        socket.write(frame(correlationId, body));
      }
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  closing.push(() => server.close());
  return { port: (server.address() as { port: number }).port, sockets: () => sockets };
}

/** Metadata v1: one broker, no topics. */
function metadata(port: number): Buffer {
  const host = Buffer.from('127.0.0.1');
  const body = Buffer.alloc(4 + 4 + 2 + host.length + 4 + 2 + 4 + 4);
  let at = body.writeInt32BE(1, 0);
  at = body.writeInt32BE(1, at);
  at = body.writeInt16BE(host.length, at);
  at += host.copy(body, at);
  at = body.writeInt32BE(port, at);
  at = body.writeInt16BE(-1, at);
  at = body.writeInt32BE(1, at);
  body.writeInt32BE(0, at);
  return body;
}

async function connectTo(
  onFetch: (correlationId: number, socket: Socket) => void,
): Promise<{ broker: Broker; sockets: () => number }> {
  const fake = await fakeBroker((apiKey, correlationId, socket) => {
    if (apiKey === 3) socket.write(frame(correlationId, metadata(fake.port)));
    else onFetch(correlationId, socket);
  });
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
