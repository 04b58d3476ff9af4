import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { FraudstreamError } from '../domain/errors.ts';

export interface RegistryTls {
  /** PEM */
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  readonly passphrase?: string;
}

export interface RegistryHttpOptions {
  /** e.g. `https://registry:8081`; user and password may be part of it */
  readonly url: string;
  readonly username?: string;
  readonly password?: string;
  readonly tls?: RegistryTls;
  /** for one attempt, answer included; default 5,000 */
  readonly timeoutMs?: number;
  /** default 4 */
  readonly attemptsMax?: number;
  /** the wait before the second attempt; it doubles up to 2 s, with jitter; default 100 */
  readonly backoffMs?: number;
  /** 0 … 1, for the jitter */
  readonly random?: () => number;
}

export interface RegistryAnswer {
  readonly status: number;
  /** parsed JSON; null when the body was none */
  readonly body: unknown;
  /** the body was longer than the limit and was not read to its end */
  readonly tooLarge: boolean;
}

const BACKOFF_MS_MAX = 2_000;
const CONTENT_TYPE = 'application/vnd.schemaregistry.v1+json';

/** HTTP to a schema registry: basic auth, TLS, a limit on time and size, retries with backoff. */
export class RegistryHttp {
  /** the address without credentials: what messages may say */
  readonly address: string;
  private readonly base: URL;
  private readonly agent: HttpAgent | HttpsAgent;
  private readonly authorization: string | null;
  private readonly options: RegistryHttpOptions;
  private readonly bodyBytesMax: number;

  /** @throws FraudstreamError FS_CONFIG_INVALID when the address is no http(s) URL */
  constructor(options: RegistryHttpOptions, bodyBytesMax: number) {
    this.options = options;
    this.bodyBytesMax = bodyBytesMax;
    this.base = parseUrl(options.url);
    const username = options.username ?? decodeURIComponent(this.base.username);
    const password = options.password ?? decodeURIComponent(this.base.password);
    this.authorization =
      username === '' ? null : `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`;
    this.base.username = '';
    this.base.password = '';
    this.base.search = '';
    this.base.hash = '';
    if (!this.base.pathname.endsWith('/')) this.base.pathname += '/';
    this.address = this.base.href.replace(/\/$/, '');
    const agentOptions = { keepAlive: true, maxSockets: 8 };
    this.agent =
      this.base.protocol === 'https:'
        ? new HttpsAgent({ ...agentOptions, ...options.tls })
        : new HttpAgent(agentOptions);
  }

  /**
   * The first answer that is not an outage (5xx, 429, no connection, time out).
   * @throws FraudstreamError FS_REGISTRY_UNAVAILABLE after the last attempt
   */
  async ask(method: 'GET' | 'POST', path: string, body: object | null): Promise<RegistryAnswer> {
    const attemptsMax = this.options.attemptsMax ?? 4;
    let problem = '';
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      if (attempt > 1) await delay(this.backoffMs(attempt));
      try {
        const answer = await this.once(method, path, body);
        if (answer.status < 500 && answer.status !== 429) return answer;
        problem = `answered ${answer.status}`;
      } catch (error) {
        problem = describe(error);
      }
    }
    throw this.unavailable(`${problem} (${attemptsMax} attempts)`);
  }

  unavailable(problem: string): FraudstreamError {
    return new FraudstreamError('FS_REGISTRY_UNAVAILABLE', `${this.address} ${problem}`);
  }

  close(): void {
    this.agent.destroy();
  }

  /** Full jitter over the upper half: spreads the members of a group that lost the same registry. */
  private backoffMs(attempt: number): number {
    const ceiling = Math.min(BACKOFF_MS_MAX, (this.options.backoffMs ?? 100) * 2 ** (attempt - 2));
    return ceiling * (0.5 + 0.5 * (this.options.random ?? Math.random)());
  }

  private once(method: string, path: string, body: object | null): Promise<RegistryAnswer> {
    const payload = body === null ? null : JSON.stringify(body);
    const headers: Record<string, string> = { accept: `${CONTENT_TYPE}, application/json` };
    if (this.authorization !== null) headers['authorization'] = this.authorization;
    if (payload !== null) {
      headers['content-type'] = CONTENT_TYPE;
      headers['content-length'] = String(Buffer.byteLength(payload));
    }
    const send = this.base.protocol === 'https:' ? httpsRequest : httpRequest;
    // One clock for connecting, waiting and reading: a server that drips a byte at a time cannot hold us.
    const signal = AbortSignal.timeout(this.options.timeoutMs ?? 5_000);
    return new Promise((resolve, reject) => {
      const request = send(new URL(path, this.base), { method, headers, agent: this.agent, signal }, (response) => {
        this.readBody(response).then(resolve, reject);
      });
      request.on('error', reject);
      request.end(payload ?? undefined);
    });
  }

  private async readBody(response: IncomingMessage): Promise<RegistryAnswer> {
    const status = response.statusCode ?? 0;
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length;
      // Leaving the loop destroys the response and its socket.
      if (size > this.bodyBytesMax) return { status, body: null, tooLarge: true };
      chunks.push(chunk);
    }
    return { status, body: parseJson(Buffer.concat(chunks).toString('utf8')), tooLarge: false };
  }
}

function parseUrl(url: string): URL {
  let parsed: URL | null = null;
  try {
    parsed = new URL(url);
  } catch {
    // The text may hold a password: it is not repeated.
  }
  if (parsed === null || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')) {
    throw new FraudstreamError('FS_CONFIG_INVALID', 'the address of the schema registry is not an http(s) URL');
  }
  return parsed;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

/** Codes only: messages of TLS and HTTP errors can quote what was sent. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return 'failed';
  if (error.name === 'AbortError' || error.name === 'TimeoutError') return 'did not answer in time';
  const code = (error as NodeJS.ErrnoException).code;
  return code === undefined ? 'failed' : `failed with ${code}`;
}
