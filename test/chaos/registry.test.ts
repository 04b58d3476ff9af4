import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { startRegistry, type RegistryServer } from '../servers/registry.ts';
import { ask, runCommand, until, type Program } from '../support/e2e-process.ts';
import { Payments } from '../support/e2e-payments.ts';
import { REVEALING, settingsOf, startRun } from '../support/e2e-run.ts';
import { decidedAll, headerOf, TestKafka, topicsOf, TRANSACTION } from '../support/e2e-topics.ts';
import { verify } from '../support/e2e-verify.ts';

/** The Confluent wire format, with a registry that is away for a while. */

const WIRE_HEADER_BYTES = 5;
const PARTITIONS = 2;

/** A way to a server that can be cut, and mended: the server itself keeps what it has. */
class Gate {
  port = 0;
  private server: Server | null = null;
  private readonly sockets = new Set<Socket>();
  private readonly target: number;

  constructor(target: number) {
    this.target = target;
  }

  async open(): Promise<void> {
    const server = createServer((near) => {
      const far = connect(this.target, '127.0.0.1');
      for (const socket of [near, far]) {
        this.sockets.add(socket);
        socket.on('error', () => undefined).on('close', () => this.sockets.delete(socket));
      }
      near.pipe(far).pipe(near);
    });
    this.server = server;
    await new Promise<void>((done) => server.listen(this.port, '127.0.0.1', done));
    this.port = (server.address() as { port: number }).port;
  }

  async close(): Promise<void> {
    const closed = new Promise((done) => (this.server === null ? done(null) : this.server.close(done)));
    for (const socket of this.sockets) socket.destroy();
    await closed;
    this.server = null;
  }
}

/** magic byte 0, schema id */
function framed(schemaId: number, avro: Buffer): Buffer {
  const header = Buffer.alloc(WIRE_HEADER_BYTES);
  header.writeInt32BE(schemaId, 1);
  return Buffer.concat([header, avro]);
}

describe('with a schema registry', () => {
  const topics = topicsOf('registry');
  const place = { kafka: inject('kafka'), redis: inject('redis'), topics };
  const kafka = new TestKafka(place.kafka);
  const payments = new Payments({ seed: 41, users: 10, partitions: PARTITIONS });
  let registry: RegistryServer;
  let gate: Gate;
  let url = '';
  let run: Program | undefined;

  const register = async (subject: string, schema: unknown): Promise<number> => {
    const response = await fetch(`${registry.url}/subjects/${subject}/versions`, {
      method: 'POST',
      headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
      body: JSON.stringify({ schema: JSON.stringify(schema) }),
    });
    expect(response.status).toBe(200);
    return ((await response.json()) as { id: number }).id;
  };

  const visible = async (topic: string): Promise<number> => (await kafka.readAll(topic)).length;

  beforeAll(async () => {
    registry = await startRegistry();
    gate = new Gate(Number(new URL(registry.url).port));
    await gate.open();
    url = registry.url.replace(/:\d+/, `:${gate.port}`);
    await kafka.createAll(topics, PARTITIONS);
  });
  afterAll(async () => {
    await run?.kill9();
    await kafka.close();
    await gate?.close();
    await registry?.stop();
  });

  it('payments of the simulator are decided, and the outputs are framed', async () => {
    const settings = settingsOf(place, { 'registry.url': url });
    const simulated = await runCommand(
      ['simulate', '--sink', 'kafka', '--rate', '2000', '--users', '200', '--payments-per-day', '1000'],
      settings,
    );
    expect(simulated.exitCode, simulated.tail()).toBe(0);
    run = startRun(place, { ...REVEALING, 'registry.url': url });
    await decidedAll(kafka, topics, [run]);
    const { decisions, inputs } = await verify(kafka, topics, { wireHeader: WIRE_HEADER_BYTES });
    expect(decisions.size).toBe(inputs.length);
    expect(decisions.size).toBeGreaterThan(500);
    const subjects = (await (await fetch(`${registry.url}/subjects`)).json()) as string[];
    expect(subjects).toEqual(expect.arrayContaining([`${topics.decisions}-value`, `${topics.flagged}-value`]));
    const shown = await runCommand(['flagged', '--json', '--limit', '1'], settings);
    expect(shown.exitCode, shown.tail()).toBe(0);
    expect(JSON.parse(shown.stdout)).toHaveProperty('decision');
  });

  it('an unknown schema id and a wrong magic byte go to the dead letter', async () => {
    const payment = payments.next();
    const { key } = payments.message(payment);
    const value = TRANSACTION.toBuffer(payment);
    await kafka.send(topics.transactions, [
      { key: 'unknown', value: framed(987_654, value), partition: 0 },
      { key: 'magic', value, partition: 0 },
      { key: 'short', value: Buffer.from([0, 0]), partition: 0 },
      {
        key: key ?? null,
        value: framed(await register(`${topics.transactions}-value`, TRANSACTION), value),
        partition: 0,
      },
    ]);
    await decidedAll(kafka, topics, [run!]);
    const letters = await kafka.readAll(topics.deadLetter);
    const codes = Object.fromEntries(letters.map((raw) => [raw.key, headerOf(raw, 'fraudstream.error.code')]));
    expect(codes).toEqual({ unknown: 'FS_SCHEMA_UNKNOWN', magic: 'FS_WIRE_MAGIC', short: 'FS_WIRE_TRUNCATED' });
  });

  it('that is away, payments of a schema not yet seen wait, and none goes to the dead letter', async () => {
    const lettersBefore = await visible(topics.deadLetter);
    const decidedBefore = await visible(topics.decisions);
    const schema = TRANSACTION.schema() as { fields: unknown[] };
    // a newer writer, with a field that we do not know
    const newer = { ...schema, fields: [...schema.fields, { name: 'loyalty', type: 'string', default: '' }] };
    const id = await register(`${topics.transactions}-value`, newer);
    await gate.close();
    const waiting = payments.many(40);
    await kafka.send(
      topics.transactions,
      waiting.map((one) => ({
        ...payments.message(one),
        value: framed(id, Buffer.concat([TRANSACTION.toBuffer(one), Buffer.from([0])])),
      })),
    );
    await until(
      'the log says that the registry does not answer',
      () => run!.log().some(({ code }) => code === 'FS_REGISTRY_UNAVAILABLE'),
      { programs: [run!], timeoutMs: 60_000 },
    );
    expect(await visible(topics.decisions)).toBe(decidedBefore);
    expect((await ask(run!, '/healthz')).status).toBe(200);
    await gate.open();
    await decidedAll(kafka, topics, [run!]);
    expect(await visible(topics.deadLetter)).toBe(lettersBefore);
    expect(await visible(topics.decisions)).toBe(decidedBefore + waiting.length);
    expect(await run!.stop(), run!.tail()).toBe(0);
  });
});
