import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * A way to a server that can be cut, and that can lose answers: what was asked has then happened, and nobody was told.
 * Answers are told apart by Kafka's framing (size, then API and correlation id); Redis is passed through as bytes.
 */

/** Kafka's API keys, of what an exactly-once writer asks for */
export const KAFKA_API = {
  produce: 0,
  offsetCommit: 8,
  initProducerId: 22,
  addPartitionsToTxn: 24,
  addOffsetsToTxn: 25,
  endTxn: 26,
  txnOffsetCommit: 28,
} as const;

export interface Loss {
  /** only for clients whose id begins with this */
  readonly clientId: string;
  readonly apis: readonly number[];
  /** share of these answers that is lost, 0 to 1 */
  readonly share: number;
  /** the connection ends with it; else the client waits for its answer until its patience ends */
  readonly close: boolean;
}

export interface ProxyOptions {
  readonly protocol: 'kafka' | 'bytes';
  /** 0 ≤ x < 1; decides which answers are lost */
  readonly random?: () => number;
}

/** Kafka's frames out of a stream of bytes. */
class Frames {
  private held: Buffer = Buffer.alloc(0);

  take(chunk: Buffer): Buffer[] {
    this.held = this.held.length === 0 ? chunk : Buffer.concat([this.held, chunk]);
    const frames: Buffer[] = [];
    let at = 0;
    while (this.held.length - at >= 4) {
      const length = 4 + this.held.readInt32BE(at);
      if (this.held.length - at < length) break;
      frames.push(this.held.subarray(at, at + length));
      at += length;
    }
    this.held = this.held.subarray(at);
    return frames;
  }
}

export class Proxy {
  /** where clients connect */
  port = 0;
  /** answers that were lost so far, and connections that were cut */
  lost = 0;
  cuts = 0;
  private target: number;
  private server: Server | null = null;
  private loss: Loss | null = null;
  private readonly random: () => number;
  private readonly protocol: ProxyOptions['protocol'];
  private readonly pairs = new Set<readonly [Socket, Socket]>();

  constructor(target: number, { protocol, random = Math.random }: ProxyOptions) {
    this.target = target;
    this.protocol = protocol;
    this.random = random;
  }

  /** @param target of connections from now on */
  pointTo(target: number): void {
    this.target = target;
  }

  async open(): Promise<void> {
    const server = createServer((near) => this.join(near));
    this.server = server;
    await new Promise<void>((done, fail) => {
      server.once('error', fail);
      server.listen(this.port, '127.0.0.1', done);
    });
    this.port = (server.address() as { port: number }).port;
  }

  /** Ends all connections as a network does, without a word of the peers. New ones are served. */
  cut(): void {
    for (const pair of this.pairs) {
      this.cuts++;
      for (const socket of pair) socket.resetAndDestroy();
    }
    this.pairs.clear();
  }

  /** null: none. */
  lose(loss: Loss | null): void {
    this.loss = loss;
  }

  /** Cuts all, and refuses connections until `open`. */
  async close(): Promise<void> {
    const closed = new Promise((done) => (this.server === null ? done(null) : this.server.close(done)));
    this.cut();
    await closed;
    this.server = null;
  }

  private join(near: Socket): void {
    const far = connect(this.target, '127.0.0.1');
    const pair = [near, far] as const;
    this.pairs.add(pair);
    for (const socket of pair) {
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.pairs.delete(pair);
        for (const other of pair) other.destroy();
      });
    }
    if (this.protocol === 'bytes') near.pipe(far).pipe(near);
    else this.relay(near, far);
  }

  private relay(near: Socket, far: Socket): void {
    const asked = new Map<number, { readonly api: number; readonly clientId: string }>();
    const [requests, answers] = [new Frames(), new Frames()];
    near.on('data', (chunk: Buffer) => {
      for (const frame of requests.take(chunk)) {
        const length = frame.length >= 14 ? frame.readInt16BE(12) : -1;
        const clientId = length > 0 ? frame.toString('utf8', 14, 14 + length) : '';
        asked.set(frame.readInt32BE(8), { api: frame.readInt16BE(4), clientId });
        far.write(frame);
      }
    });
    far.on('data', (chunk: Buffer) => {
      for (const frame of answers.take(chunk)) {
        const id = frame.readInt32BE(4);
        const of = asked.get(id);
        asked.delete(id);
        if (of === undefined || !this.isLost(of)) {
          near.write(frame);
          continue;
        }
        this.lost++;
        if (!this.loss?.close) continue;
        near.resetAndDestroy();
        return;
      }
    });
  }

  private isLost({ api, clientId }: { api: number; clientId: string }): boolean {
    const { loss } = this;
    return loss !== null && loss.apis.includes(api) && clientId.startsWith(loss.clientId) && this.random() < loss.share;
  }
}
