import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { HealthReport } from '../../../src/observability/health.ts';
import { startHttpServer, type RunningHttpServer } from '../../../src/observability/http-server.ts';

const running: RunningHttpServer[] = [];

async function start(live: boolean, metrics = () => Promise.resolve('m 1\n')): Promise<string> {
  const report = (ok: boolean): HealthReport => ({
    ok,
    checks: [{ name: 'progress', ok, reason: ok ? '' : 'stalled' }],
  });
  const server = await startHttpServer({
    host: '127.0.0.1',
    port: 0,
    live: () => report(live),
    ready: () => report(!live),
    metrics,
    metricsContentType: 'text/plain; version=0.0.4',
  });
  running.push(server);
  return `http://127.0.0.1:${server.port}`;
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.close()));
});

describe('the HTTP server', () => {
  it('answers health with its checks, 200 or 503', async () => {
    const base = await start(false);
    const live = await fetch(`${base}/healthz`);
    expect(live.status).toBe(503);
    expect(live.headers.get('content-type')).toBe('application/json');
    expect(await live.json()).toEqual({ ok: false, checks: [{ name: 'progress', ok: false, reason: 'stalled' }] });
    expect((await fetch(`${base}/readyz?verbose`)).status).toBe(200);
  });

  it('serves metrics', async () => {
    const base = await start(true);
    const response = await fetch(`${base}/metrics`);
    expect([response.status, response.headers.get('content-type'), await response.text()]).toEqual([
      200,
      'text/plain; version=0.0.4',
      'm 1\n',
    ]);
  });

  it('answers HEAD without a body', async () => {
    const base = await start(true);
    const response = await fetch(`${base}/metrics`, { method: 'HEAD' });
    expect([response.status, response.headers.get('content-length'), await response.text()]).toEqual([200, '4', '']);
  });

  it('knows no other path and no other method', async () => {
    const base = await start(true);
    expect((await fetch(`${base}/`)).status).toBe(404);
    expect((await fetch(`${base}/metrics/../etc/passwd`)).status).toBe(404);
    const post = await fetch(`${base}/metrics`, { method: 'POST', body: 'x'.repeat(100_000) });
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  });

  it('answers 500 when metrics cannot be made, without the reason', async () => {
    const base = await start(true, () => Promise.reject(new Error('secret')));
    const response = await fetch(`${base}/metrics`);
    expect([response.status, await response.text()]).toEqual([500, '{"ok":false}\n']);
  });

  it('survives what is no HTTP, and refuses large headers', async () => {
    const base = await start(true);
    const port = Number(new URL(base).port);
    const answers = await Promise.all(
      ['\u0000\u0001\r\n\r\n', `GET / HTTP/1.1\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`].map(
        (text) =>
          new Promise<string>((resolve) => {
            let answer = '';
            const socket = connect(port, '127.0.0.1', () => socket.write(text));
            socket.on('data', (chunk) => (answer += chunk.toString()));
            socket.on('error', () => resolve(answer));
            socket.on('close', () => resolve(answer));
          }),
      ),
    );
    expect(answers[0]).toMatch(/^HTTP\/1\.1 400 /);
    expect(answers[1]).toMatch(/^HTTP\/1\.1 431 /);
    expect((await fetch(`${base}/metrics`)).status).toBe(200);
  });

  it('names the port that it cannot have', async () => {
    const base = await start(true);
    const port = Number(new URL(base).port);
    const never = (): HealthReport => ({ ok: true, checks: [] });
    const options = { host: '127.0.0.1', port, live: never, ready: never, metricsContentType: 'text/plain' };
    await expect(startHttpServer({ ...options, metrics: () => Promise.resolve('') })).rejects.toMatchObject({
      code: 'FS_CONFIG_INVALID',
      message: expect.stringContaining(`cannot listen on 127.0.0.1:${port} (EADDRINUSE)`) as string,
    });
  });
});
