import type { Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { KafkaClient } from '../../../src/transport/kafka/client.ts';
import { ProtocolWriter } from '../../../src/transport/kafka/protocol-bytes.ts';
import { KafkaTransactionRequests } from '../../../src/transport/kafka/transaction-requests.ts';
import { fakeBroker, frame, metadata } from './kafka-fake-broker.ts';

const [METADATA, FIND, INIT, ADD_PARTITIONS, ADD_OFFSETS, END] = [3, 10, 22, 24, 25, 26];
const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

type Answer = (socket: Socket, correlationId: number) => void;

const say =
  (writer: ProtocolWriter): Answer =>
  (socket, correlationId) =>
    void socket.write(frame(correlationId, writer.end()));
const errorCode = (code: number): Answer => say(new ProtocolWriter().int32(0).int16(code));
const identity = (code: number): Answer => say(new ProtocolWriter().int32(0).int16(code).int64(7n).int16(2));
const silence: Answer = () => undefined;

/** A coordinator that answers as `answers` says; also what it was asked, in order. */
async function coordinator(
  answers: Readonly<Record<number, Answer>>,
): Promise<{ requests: KafkaTransactionRequests; asked: number[]; sockets: () => number }> {
  const asked: number[] = [];
  const fake = await fakeBroker((apiKey, correlationId, socket) => {
    if (apiKey === METADATA) return void socket.write(frame(correlationId, metadata(fake.port)));
    asked.push(apiKey);
    if (apiKey === FIND) {
      const found = new ProtocolWriter().int32(0).int16(0).int16(-1).int32(1).string('127.0.0.1').int32(fake.port);
      return void socket.write(frame(correlationId, found.end()));
    }
    answers[apiKey]?.(socket, correlationId);
  }, closing);
  // the client's own timeout is far longer
  const settings = { brokers: [`127.0.0.1:${fake.port}`], clientId: 'unit', requestTimeoutMs: 30_000 };
  const requests = new KafkaTransactionRequests(new KafkaClient(settings, () => undefined), { requestTimeoutMs: 300 });
  closing.push(() => void requests.close());
  return { requests, asked, sockets: fake.sockets };
}

const transaction = { transactionalId: 'app-0', identity: { producerId: 7n, epoch: 2 } };

it('a request that is not answered is given up in its time, its connection too, and nothing is asked twice', async () => {
  const answers: Record<number, Answer> = { [INIT]: identity(0), [END]: silence };
  const { requests, asked, sockets } = await coordinator(answers);
  expect(await requests.init('app-0', 5_000)).toEqual({ producerId: 7n, epoch: 2 });
  const before = sockets();
  const beganMs = performance.now();
  await expect(requests.end(transaction, true)).rejects.toMatchObject({ code: 'FS_KAFKA_UNAVAILABLE' });
  expect(performance.now() - beganMs).toBeLessThan(2_000);
  expect(asked).toEqual([FIND, INIT, END]);
  answers[END] = errorCode(0);
  await requests.end(transaction, true);
  // the coordinator is looked for anew, over a new connection
  expect(asked).toEqual([FIND, INIT, END, FIND, END]);
  expect(sockets()).toBe(before + 1);
});

it('a connection that is lost with the answer on its way is an unknown outcome', async () => {
  const { requests, asked } = await coordinator({ [END]: (socket) => socket.destroy() });
  await expect(requests.end(transaction, true)).rejects.toMatchObject({ code: 'FS_KAFKA_UNAVAILABLE' });
  expect(asked.filter((key) => key === END)).toHaveLength(1);
});

it('a coordinator that has moved is looked for anew; one that is only busy is not', async () => {
  const answers: Record<number, Answer> = { [INIT]: identity(16), [ADD_OFFSETS]: errorCode(51), [END]: errorCode(16) };
  const { requests, asked } = await coordinator(answers);
  await expect(requests.init('app-0', 5_000)).rejects.toMatchObject({ code: 'FS_KAFKA_BUSY' });
  answers[INIT] = identity(51);
  await expect(requests.init('app-0', 5_000)).rejects.toMatchObject({ code: 'FS_KAFKA_BUSY' });
  await expect(requests.addOffsets(transaction, 'g')).rejects.toMatchObject({ code: 'FS_KAFKA_BUSY' });
  await expect(requests.end(transaction, true)).rejects.toMatchObject({ code: 'FS_KAFKA_UNAVAILABLE' });
  await expect(requests.end(transaction, true)).rejects.toMatchObject({ code: 'FS_KAFKA_UNAVAILABLE' });
  expect(asked).toEqual([FIND, INIT, FIND, INIT, ADD_OFFSETS, END, FIND, END]);
});

it('requests go out in the order of their calls, over one connection, also while it is being made', async () => {
  const answers: Record<number, Answer> = {
    [INIT]: identity(0),
    [ADD_OFFSETS]: errorCode(0),
    [ADD_PARTITIONS]: say(new ProtocolWriter().int32(0).int32(0)),
    [END]: errorCode(0),
  };
  const { requests, asked, sockets } = await coordinator(answers);
  const other = { ...transaction, transactionalId: 'app-1' };
  await Promise.all([
    requests.addPartitions(transaction, [{ topic: 't', partition: 0 }]),
    requests.addOffsets(transaction, 'g'),
    requests.end(transaction, true),
  ]);
  expect(asked).toEqual([FIND, ADD_PARTITIONS, ADD_OFFSETS, END]);
  asked.length = 0;
  const before = sockets();
  await Promise.all([
    requests.addOffsets(other, 'g'),
    requests.addPartitions(other, [{ topic: 't', partition: 1 }]),
    requests.addOffsets(transaction, 'g'),
    requests.end(other, true),
  ]);
  // the coordinator of app-0 is known, so its request goes first
  expect(asked).toEqual([ADD_OFFSETS, FIND, ADD_OFFSETS, ADD_PARTITIONS, END]);
  expect(sockets()).toBe(before);
});

it('is steady while the connection over which an end or an initialisation was answered is unbroken', async () => {
  const open = new Set<Socket>();
  const answering =
    (answer: Answer): Answer =>
    (socket, correlationId) => {
      open.add(socket);
      answer(socket, correlationId);
    };
  const answers: Record<number, Answer> = {
    [INIT]: answering(identity(0)),
    [ADD_OFFSETS]: answering(errorCode(0)),
    [END]: answering(errorCode(0)),
  };
  const { requests } = await coordinator(answers);
  const lost = async (): Promise<void> => {
    for (const socket of open) socket.destroy();
    open.clear();
    await expect.poll(() => requests.isSteady('app-0')).toBe(false);
  };
  expect(requests.isSteady('app-0')).toBe(false);
  await requests.init('app-0', 5_000);
  expect(requests.isSteady('app-0')).toBe(true);
  expect(requests.isSteady('app-1')).toBe(false);
  await lost();
  // a new connection to the same broker: it may be another life of it
  await requests.addOffsets(transaction, 'g');
  expect(requests.isSteady('app-0')).toBe(false);
  await requests.end(transaction, true);
  expect(requests.isSteady('app-0')).toBe(true);
  await requests.addOffsets(transaction, 'g');
  expect(requests.isSteady('app-0')).toBe(true);
  await lost();
  await requests.end(transaction, false);
  expect(requests.isSteady('app-0')).toBe(true);
  // a refusal that says nothing of the coordinator, one that does, and none at all
  answers[ADD_OFFSETS] = errorCode(51);
  await expect(requests.addOffsets(transaction, 'g')).rejects.toMatchObject({ code: 'FS_KAFKA_BUSY' });
  expect(requests.isSteady('app-0')).toBe(true);
  answers[ADD_OFFSETS] = errorCode(16);
  await expect(requests.addOffsets(transaction, 'g')).rejects.toMatchObject({ code: 'FS_KAFKA_UNAVAILABLE' });
  expect(requests.isSteady('app-0')).toBe(false);
  await requests.end(transaction, true);
  expect(requests.isSteady('app-0')).toBe(true);
  answers[ADD_OFFSETS] = silence;
  await expect(requests.addOffsets(transaction, 'g')).rejects.toMatchObject({ code: 'FS_KAFKA_UNAVAILABLE' });
  expect(requests.isSteady('app-0')).toBe(false);
});
