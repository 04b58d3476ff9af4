import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { registerOutputSchemas, type RegistryOptions, SchemaRegistry } from '../../src/codec/registry.ts';
import { SCHEMA_TEXTS } from '../../src/codec/schemas.ts';
import { createConfluentTransactionDecoder } from '../../src/codec/transaction-decoder.ts';
import { createTransactionEncoder } from '../../src/codec/transaction-encoder.ts';
import { FraudstreamError } from '../../src/domain/errors.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import { codeOf, inputRecord, sampleTransaction } from '../unit/codec/sample.ts';
import { selfSignedCertificate } from './self-signed.ts';

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly body: string;
}
type Handler = (asked: Asked, response: ServerResponse) => void;

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A server on a free port of 127.0.0.1 that remembers what it was asked. */
async function serve(handler: Handler, tls: { cert: string; key: string } | null = null) {
  const asked: Asked[] = [];
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      const one = { method, path: url, authorization: headers.authorization, body };
      asked.push(one);
      handler(one, response);
    });
  };
  const server: Server = tls === null ? createHttpServer(listener) : createHttpsServer(tls, listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(() => resolve()));
  });
  const { port } = server.address() as AddressInfo;
  return { asked, host: `127.0.0.1:${port}`, url: `${tls === null ? 'http' : 'https'}://127.0.0.1:${port}` };
}

function client(options: RegistryOptions): SchemaRegistry {
  const registry = new SchemaRegistry({ timeoutMs: 2_000, attemptsMax: 3, backoffMs: 2, ...options });
  closers.push(() => registry.close());
  return registry;
}

const json = (response: ServerResponse, status: number, body: unknown) => {
  response.writeHead(status, { 'content-type': 'application/vnd.schemaregistry.v1+json' });
  response.end(JSON.stringify(body));
};
const schemaOf = (text: string) => ({ schema: text });
const notFound = { error_code: 40403, message: 'Schema not found' };
const failureOf = async (promise: Promise<unknown>): Promise<FraudstreamError> => {
  const error = await promise.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(FraudstreamError);
  return error as FraudstreamError;
};

describe('fetch by id', () => {
  it('asks once, whoever asks and however often', async () => {
    const server = await serve((_, response) => json(response, 200, schemaOf(SCHEMA_TEXTS.transaction)));
    const registry = client({ url: `${server.url}/` });
    expect(registry.lookup(7)).toBeNull();
    await Promise.all([registry.fetchAll([7]), registry.fetchById(7), registry.fetchAll([7])]);
    await registry.fetchAll([7]);
    expect(server.asked.map(({ path }) => path)).toEqual(['/schemas/ids/7']);
    expect(registry.lookup(7)).toEqual({ text: SCHEMA_TEXTS.transaction });
  });

  it('keeps the path of its address', async () => {
    const server = await serve((_, response) => json(response, 200, schemaOf('"int"')));
    await client({ url: `${server.url}/apis/ccompat/v7` }).fetchById(1);
    expect(server.asked[0]?.path).toBe('/apis/ccompat/v7/schemas/ids/1');
  });

  it('fetches many ids, a few at a time', async () => {
    let open = 0;
    let openMax = 0;
    const server = await serve((_, response) => {
      openMax = Math.max(openMax, ++open);
      setTimeout(() => {
        open--;
        json(response, 200, schemaOf('"int"'));
      }, 3);
    });
    const registry = client({ url: server.url });
    await registry.fetchAll(Array.from({ length: 50 }, (_, id) => id));
    expect(server.asked).toHaveLength(50);
    expect(openMax).toBeGreaterThan(1);
    expect(openMax).toBeLessThanOrEqual(8);
  });

  it('takes an unknown id for unknown, for a while', async () => {
    let known = false;
    let now = 1_000;
    const server = await serve((_, response) =>
      known ? json(response, 200, schemaOf('"int"')) : json(response, 404, notFound),
    );
    const registry = client({ url: server.url, unknownTtlMs: 500, nowMs: () => now });
    await registry.fetchAll([9]);
    expect(registry.lookup(9)).toMatchObject({ code: 'FS_SCHEMA_UNKNOWN' });
    known = true;
    now += 499;
    await registry.fetchAll([9]);
    expect(server.asked).toHaveLength(1);
    now += 1;
    expect(registry.isFresh(9)).toBe(false);
    // still answered: a record between prepare and decode must not fail otherwise
    expect(registry.lookup(9)).toMatchObject({ code: 'FS_SCHEMA_UNKNOWN' });
    await registry.fetchAll([9]);
    expect(registry.lookup(9)).toEqual({ text: '"int"' });
  });

  it.each([
    ['references', { schema: '"int"', references: [{ name: 'a', subject: 'b', version: 1 }] }, /references/],
    ['another kind of schema', { schema: 'syntax = "proto3";', schemaType: 'PROTOBUF' }, /not an Avro/],
    ['a huge schema', { schema: 'x'.repeat(4 * LIMITS.schemaBytesMax) }, /longer than/],
  ])('refuses %s, for the records of that id', async (_, body, message) => {
    const server = await serve((__, response) => json(response, 200, body));
    const registry = client({ url: server.url });
    await registry.fetchAll([1]);
    expect(registry.lookup(1)).toMatchObject({
      code: 'FS_SCHEMA_INCOMPATIBLE',
      detail: expect.stringMatching(message) as string,
    });
  });
});

describe('a registry in trouble', () => {
  it('is asked again, with backoff', async () => {
    let left = 2;
    const server = await serve((_, response) =>
      left-- > 0 ? json(response, left === 1 ? 500 : 429, {}) : json(response, 200, schemaOf('"int"')),
    );
    const registry = client({ url: server.url });
    await registry.fetchAll([1]);
    expect(server.asked).toHaveLength(3);
    expect(registry.lookup(1)).toEqual({ text: '"int"' });
  });

  it('recovers from a connection that is cut', async () => {
    let cut = true;
    const server = await serve((_, response) => {
      if (cut) response.destroy();
      else json(response, 200, schemaOf('"int"'));
      cut = false;
    });
    await expect(client({ url: server.url }).fetchAll([1])).resolves.toBeUndefined();
  });

  it.each<[string, number, Handler]>([
    ['500', 3, (_, response) => json(response, 500, {})],
    ['no answer', 3, () => {}],
    ['an answer that drips', 3, (_, response) => drip(response)],
    ['garbage', 1, (_, response) => response.end('<html>hello</html>')],
    ['JSON that is no schema', 1, (_, response) => json(response, 200, [1, 2])],
    ['a 404 that is no registry', 1, (_, response) => response.writeHead(404).end('not here')],
    ['refused credentials', 1, (_, response) => json(response, 401, { error_code: 401 })],
    ['a redirect', 1, (_, response) => response.writeHead(302, { location: 'http://127.0.0.1:9/' }).end()],
    ['an empty answer', 1, (_, response) => response.end()],
  ])('%s: the event waits', async (_, requests, handler) => {
    const server = await serve(handler);
    const registry = client({ url: server.url, timeoutMs: 60 });
    const failure = await failureOf(registry.fetchAll([1, 1]));
    expect([failure.code, failure.retriable]).toEqual(['FS_REGISTRY_UNAVAILABLE', true]);
    expect(server.asked.length).toBeGreaterThanOrEqual(requests);
    expect(registry.lookup(1)).toBeNull();
  });

  it('nobody listens: the event waits', async () => {
    const server = await serve(() => {});
    for (const close of closers.splice(0)) await close();
    const failure = await failureOf(client({ url: server.url }).fetchAll([1]));
    expect(failure.code).toBe('FS_REGISTRY_UNAVAILABLE');
    expect(failure.message).toContain('ECONNREFUSED');
  });

  function drip(response: ServerResponse) {
    response.writeHead(200);
    const timer = setInterval(() => response.write(' '), 10);
    response.on('close', () => clearInterval(timer));
  }
});

describe('credentials', () => {
  const expected = `Basic ${Buffer.from('us:er:pa%ss').toString('base64')}`;
  const handler: Handler = ({ authorization }, response) =>
    authorization === expected ? json(response, 200, schemaOf('"int"')) : json(response, 401, { error_code: 401 });

  it('are sent from the options or from the address', async () => {
    const server = await serve(handler);
    await client({ url: server.url, username: 'us:er', password: 'pa%ss' }).fetchAll([1]);
    await client({ url: `http://us%3Aer:pa%25ss@${server.host}` }).fetchAll([1]);
    expect(server.asked.map(({ authorization }) => authorization)).toEqual([expected, expected]);
  });

  it('never come out in an error', async () => {
    const server = await serve((_, response) => json(response, 401, { message: 'bad s3cret' }));
    const secret = 's3cret';
    const options = { url: `http://${secret}:${secret}@${server.host}/?token=${secret}` };
    const fetched = await failureOf(client(options).fetchAll([1]));
    const registered = await failureOf(client(options).register('decisions', 'decision'));
    const down = await failureOf(
      client({ ...options, url: options.url.replace(server.host, '127.0.0.1:1') }).fetchAll([1]),
    );
    for (const failure of [fetched, registered, down]) {
      expect(failure.message).not.toContain(secret);
      expect(JSON.stringify(failure.place)).not.toContain(secret);
      expect(failure.cause).toBeUndefined();
    }
    expect(fetched.message).toContain(server.host);
    for (const url of [`ftp://${secret}@host`, `:${secret}`]) {
      expect(() => client({ url })).toThrow(FraudstreamError);
      expect(() => client({ url })).not.toThrow(secret);
    }
  });

  it('TLS: trusts the given certificate and no other', async () => {
    const tls = selfSignedCertificate();
    const server = await serve((_, response) => json(response, 200, schemaOf('"int"')), tls);
    const trusting = client({ url: server.url, tls: { ca: tls.cert } });
    await trusting.fetchAll([1]);
    expect(trusting.lookup(1)).toEqual({ text: '"int"' });
    const failure = await failureOf(client({ url: server.url }).fetchAll([1]));
    expect(failure.code).toBe('FS_REGISTRY_UNAVAILABLE');
    const other = await failureOf(client({ url: server.url, tls: { ca: selfSignedCertificate().cert } }).fetchAll([1]));
    expect(other.code).toBe('FS_REGISTRY_UNAVAILABLE');
  });
});

describe('register', () => {
  it('registers what is written, for the topics that it is written to', async () => {
    const server = await serve(({ path }, response) => json(response, 200, { id: path.includes('flagged') ? 12 : 11 }));
    const registry = client({ url: server.url });
    const ids = await registerOutputSchemas(registry, { decisions: 'eu/decisions', flagged: 'flagged' });
    expect(ids).toEqual({ decision: 11, flagged: 12 });
    expect(server.asked.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'POST /subjects/eu%2Fdecisions-value/versions',
      'POST /subjects/flagged-value/versions',
    ]);
    const sent = JSON.parse(server.asked[0]!.body) as { schema: string };
    expect(JSON.parse(sent.schema)).toEqual(JSON.parse(SCHEMA_TEXTS.decision));
  });

  it('uses what is there when it may only read', async () => {
    const server = await serve(({ path }, response) =>
      path.endsWith('/versions')
        ? json(response, 403, { error_code: 403 })
        : json(response, 200, { id: 5, version: 1 }),
    );
    expect(await client({ url: server.url }).register('decisions', 'decision')).toBe(5);
  });

  it.each([
    [409, /incompatible/],
    [422, /422/],
    [403, /403/],
    [200, /without an id/],
  ])('an answer %i is a problem of the configuration', async (status, message) => {
    const server = await serve((_, response) => json(response, status, {}));
    const failure = await failureOf(client({ url: server.url }).register('decisions', 'decision'));
    expect(failure.code).toBe('FS_CONFIG_INVALID');
    expect(failure.message).toMatch(message);
    expect(failure.message).toContain('decisions-value');
  });
});

describe('with the decoder', () => {
  it('a registry that comes back loses no event', async () => {
    let up = false;
    const server = await serve(({ path }, response) => {
      if (!up) return json(response, 503, {});
      return path.endsWith('/7')
        ? json(response, 200, schemaOf(SCHEMA_TEXTS.transaction))
        : json(response, 404, notFound);
    });
    const decoder = createConfluentTransactionDecoder(client({ url: server.url }));
    const batch = [7, 8, 7].map((id) => inputRecord(createTransactionEncoder(id).encode(sampleTransaction())));
    expect((await failureOf(decoder.prepare(batch))).code).toBe('FS_REGISTRY_UNAVAILABLE');
    up = true;
    await decoder.prepare(batch);
    expect(decoder.decode(batch[0]!)).toStrictEqual(sampleTransaction());
    expect(codeOf(() => decoder.decode(batch[1]!))).toBe('FS_SCHEMA_UNKNOWN');
    expect(decoder.decode(batch[2]!)).toStrictEqual(sampleTransaction());
  });
});
