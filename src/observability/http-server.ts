import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { FraudstreamError } from '../domain/errors.ts';
import type { HealthReport } from './health.ts';

export interface HttpServerOptions {
  readonly host: string;
  /** 0: any free one */
  readonly port: number;
  readonly live: () => HealthReport;
  readonly ready: () => HealthReport;
  readonly metrics: () => Promise<string>;
  readonly metricsContentType: string;
}

export interface RunningHttpServer {
  readonly host: string;
  readonly port: number;
  close(): Promise<void>;
}

const PATHS = ['/metrics', '/healthz', '/readyz'];
const CONNECTIONS_MAX = 64;
const HEADER_BYTES_MAX = 8_192;
const TIMEOUT_MS = 5_000;

/**
 * Serves /metrics, /healthz and /readyz to GET and HEAD: 200 or 503 with the checks as JSON. Nothing is read from a
 * request but its path. Throws FS_CONFIG_INVALID when it cannot listen.
 */
export async function startHttpServer(options: HttpServerOptions): Promise<RunningHttpServer> {
  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      requestTimeout: TIMEOUT_MS,
      headersTimeout: TIMEOUT_MS,
      keepAliveTimeout: TIMEOUT_MS,
      connectionsCheckingInterval: 1_000,
    },
    (request, response) => {
      answer(request, response, options).catch(() => {
        if (!response.headersSent) send(request, response, 500, 'application/json', '{"ok":false}\n');
        else response.destroy();
      });
    },
  );
  server.maxConnections = CONNECTIONS_MAX;
  server.maxRequestsPerSocket = 1_000;
  await listen(server, options);
  // a probe that hangs must not keep a finished process
  server.unref();
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : options.port;
  return {
    host: options.host,
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, options: HttpServerOptions): Promise<void> {
  const path = (request.url ?? '').split('?', 1)[0] ?? '';
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    // its body is not read: the connection cannot be used again
    response.setHeader('connection', 'close');
    send(request, response, 405, 'application/json', '{"error":"only GET and HEAD"}\n');
  } else if (path === '/metrics') {
    send(request, response, 200, options.metricsContentType, await options.metrics());
  } else if (path === '/healthz' || path === '/readyz') {
    const report = path === '/healthz' ? options.live() : options.ready();
    send(request, response, report.ok ? 200 : 503, 'application/json', `${JSON.stringify(report)}\n`);
  } else {
    send(request, response, 404, 'application/json', `${JSON.stringify({ error: 'not found', paths: PATHS })}\n`);
  }
}

function send(request: IncomingMessage, response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

function listen(server: Server, { host, port }: HttpServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const detail = `http.host and http.port: cannot listen on ${host}:${port} (${error.code ?? 'error'})`;
      reject(new FraudstreamError('FS_CONFIG_INVALID', detail, {}, { cause: error }));
    });
    server.listen({ host, port, exclusive: true }, resolve);
  });
}
