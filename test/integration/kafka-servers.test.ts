import { connect } from 'node:net';
import { expect, inject, test } from 'vitest';
import { startKafka, runKafkaTool } from '../servers/kafka.ts';
import { startRedis } from '../servers/redis.ts';

const ping = (port: number): Promise<string> =>
  new Promise((done) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'));
    socket.once('data', (data: Buffer) => {
      socket.destroy();
      done(data.toString().trim());
    });
    socket.once('error', (error) => done(error.message));
  });

test('the shared servers are up', async () => {
  const topics = await runKafkaTool(inject('kafka'), 'topics', ['--list']);
  expect(topics.status).toBe(0);
  const response = await fetch(`${inject('registry')}/subjects`);
  expect(response.status).toBe(200);
  expect(await ping(Number(new URL(inject('redis')).port))).toBe('+PONG');
});

test('a private Kafka comes back after kill -9 with its data, and is gone after stop', async () => {
  const kafka = await startKafka();
  try {
    const pid = kafka.pid();
    const create = await kafka.runTool('topics', ['--create', '--topic', 'kept', '--partitions', '3']);
    expect(create.stderr + create.stdout).toContain('Created topic kept');
    await kafka.kill9();
    expect(() => process.kill(pid, 0)).toThrow();
    await kafka.restart();
    expect(kafka.pid()).not.toBe(pid);
    expect((await kafka.runTool('topics', ['--list'])).stdout).toContain('kept');
  } finally {
    await kafka.stop();
  }
  expect(() => process.kill(kafka.pid(), 0)).toThrow();
});

test('a private Redis with persistence keeps its data over kill -9', async () => {
  const redis = await startRedis({ persistence: true });
  const send = (line: string): Promise<string> =>
    new Promise((done, fail) => {
      const socket = connect(redis.port, '127.0.0.1', () => socket.write(`${line}\r\n`));
      socket.once('data', (data: Buffer) => {
        socket.destroy();
        done(data.toString());
      });
      socket.once('error', fail);
    });
  try {
    expect(await send('SET k v')).toBe('+OK\r\n');
    await redis.kill9();
    await redis.restart();
    expect(await send('GET k')).toBe('$1\r\nv\r\n');
  } finally {
    await redis.stop();
  }
});
