import { setTimeout as sleep } from 'node:timers/promises';
import { Command, type RedisOptions } from 'ioredis';
import { RedisConnection, type RedisListener, type RedisRoute } from './redis-connection.ts';
import { adviceFor, isGone, messageOf } from './redis-errors.ts';
import { addressText, parseAddress, type RedisAddress } from './redis-settings.ts';
import { isMigrating, readSlots, redirectOf, SLOTS, type SlotMap } from './slot-map.ts';

export interface RedisClusterOptions {
  /** for messages */
  readonly url: string;
  readonly seeds: readonly RedisAddress[];
  readonly optionsOf: (address: RedisAddress) => RedisOptions;
  readonly secrets: readonly string[];
  readonly connectTimeoutMs: number;
  readonly listener: RedisListener;
}

/** More in a row only while a cluster is being rebuilt: then the caller waits. */
const REDIRECTS_MAX = 5;
/** While a master is away, the nodes are asked about this often who has taken over. */
const LOOK_DELAY_MS = 250;
/** While no node answers. */
const LOOK_DELAY_MS_MAX = 1_000;
/** After the first sign of a change: several commands notice it at once. */
const SOON_DELAY_MS = 25;
const READY_POLL_MS = 20;
/** All well: a change shows by MOVED or by a broken connection; this only keeps the list of nodes to ask fresh. */
const CALM_DELAY_MS = 30_000;
/** For a node that has no slots: a redirection may have led there, to a slot on its way. */
const IDLE_MS_MAX = 60_000;

/**
 * A Redis Cluster: one connection per master, and who serves which slot
 * (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/).
 *
 * Not ioredis's `Cluster`, because that sends commands from its queues whose callers have long had their time-out, and
 * reads from replicas when no connection to a master is left, whatever `scaleReads` says: what a replica lacks would be
 * rolled-back state. Here every command goes to the master of its slot or fails.
 *
 * MOVED and ASK are followed: the node has not run the command. All else is the caller's: TRYAGAIN and CLUSTERDOWN end
 * when a move or an election ends, and after a lost connection the outcome is unknown.
 */
export class RedisCluster implements RedisRoute {
  private readonly options: RedisClusterOptions;
  private readonly nodes = new Map<string, RedisConnection>();
  private readonly usedAtMs = new Map<string, number>();
  private map: SlotMap = { owners: new Array<string | undefined>(SLOTS), masters: new Set(), others: [] };
  private looking: Promise<void> | null = null;
  private timer: NodeJS.Timeout | undefined;
  private lastFailure: string | null = null;
  /** that all is well */
  private announced = false;
  /** to a node that is asked only for the map */
  private visit: RedisConnection | null = null;
  /** looks in a row that found nothing */
  private inVain = 0;
  /** the next look is near */
  private soon = false;
  private turn = 0;
  private closed = false;

  /** Starts to connect; does not wait. */
  constructor(options: RedisClusterOptions) {
    this.options = options;
    void this.look();
  }

  get failure(): string | null {
    return this.lastFailure;
  }

  /** Looks again and again meanwhile: who is to be waited for may change. */
  async ready(key: string | null): Promise<void> {
    const deadlineMs = performance.now() + this.options.connectTimeoutMs;
    while (!this.serves(key)) {
      if (this.closed) throw new Error('the client is closed');
      if (performance.now() >= deadlineMs) throw new Error('not connected');
      this.lookSoon();
      await sleep(READY_POLL_MS);
    }
  }

  private serves(key: string | null): boolean {
    const { masters, owners } = this.map;
    if (key === null) return this.well();
    const owner = owners[slotOf(key)];
    return owner !== undefined && masters.size > 0 && this.nodes.get(owner)?.usable === true;
  }

  /** Every master is connected. */
  private well(): boolean {
    const { masters } = this.map;
    return masters.size > 0 && [...masters].every((address) => this.nodes.get(address)?.usable === true);
  }

  async send(key: string | null, make: () => Command): Promise<unknown> {
    let command = make();
    const slot = key === null ? command.getSlot() : slotOf(key);
    let connection = slot === null ? this.anyMaster() : this.owner(slot);
    let asking = false;
    for (let redirects = 0; ; redirects++) {
      try {
        return await connection.sendHere(command, asking);
      } catch (thrown) {
        const message = messageOf(thrown);
        if (isGone(message)) this.lookSoon();
        const redirect = redirectOf(message, connection.url);
        if (redirect === null || redirects >= REDIRECTS_MAX || this.closed) throw thrown;
        asking = redirect.ask;
        if (!asking) {
          this.map.owners[redirect.slot] = redirect.address;
          this.lookSoon();
        }
        connection = this.nodeAt(redirect.address);
        await connection.ready();
        command = make();
      }
    }
  }

  masters(): readonly RedisConnection[] {
    return [...this.map.masters].map((address) => this.nodeAt(address));
  }

  /** Rejects with TRYAGAIN while the slot is being moved: the keys are at two nodes then. */
  async home(key: string): Promise<string> {
    const connection = this.owner(slotOf(key));
    const nodes = await connection.sendHere(new Command('cluster', ['NODES']));
    if (isMigrating(String(nodes), slotOf(key))) throw new Error('TRYAGAIN the slot is being moved to another node');
    return connection.home();
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.timer);
    await Promise.all([this.visit?.close(), ...[...this.nodes.values()].map((node) => node.close())]);
    await this.looking;
  }

  private owner(slot: number): RedisConnection {
    const address = this.map.owners[slot];
    if (address !== undefined) return this.nodeAt(address);
    this.lookSoon();
    throw new Error(this.map.masters.size === 0 ? 'not connected' : 'CLUSTERDOWN no known node serves the slot');
  }

  private anyMaster(): RedisConnection {
    const masters = this.masters();
    const found = masters.find(({ usable }) => usable) ?? masters[0];
    if (found === undefined) throw new Error('not connected');
    return found;
  }

  private nodeAt(address: string): RedisConnection {
    this.usedAtMs.set(address, Date.now());
    const found = this.nodes.get(address);
    if (found !== undefined) return found;
    if (this.closed) throw new Error('the client is closed');
    const node = this.connect(address, (event) => {
      if (!this.map.masters.has(address)) return;
      if (event.kind === 'error') this.failed(event.message);
      if (event.kind !== 'ready') this.lookSoon();
      this.judge();
    });
    this.nodes.set(address, node);
    return node;
  }

  private connect(address: string, listener: RedisListener, extra: RedisOptions = {}): RedisConnection {
    const { optionsOf, secrets } = this.options;
    const parsed = parseAddress(address);
    if (parsed === null) throw new Error(`the cluster names a node without an address: ${address}`);
    return new RedisConnection(address, { ...optionsOf(parsed), ...extra }, secrets, listener);
  }

  private failed(message: string): void {
    const known = !this.announced && message === this.lastFailure;
    this.announced = false;
    this.lastFailure = message;
    if (!known && !this.closed) this.options.listener({ kind: 'error', url: this.options.url, message });
  }

  private judge(): void {
    if (!this.well() || this.announced || this.closed) return;
    this.announced = true;
    this.lastFailure = null;
    const message = `connected to ${this.map.masters.size} masters`;
    this.options.listener({ kind: 'ready', url: this.options.url, message });
  }

  private lookSoon(): void {
    if (this.soon || this.looking !== null) return;
    this.soon = true;
    this.lookIn(SOON_DELAY_MS);
  }

  private lookIn(delayMs: number): void {
    clearTimeout(this.timer);
    if (this.closed) return;
    this.timer = setTimeout(() => void this.look(), delayMs);
  }

  /** Asks one node after the other who serves which slot, until one answers; one look at a time. Never rejects. */
  private look(): Promise<void> {
    this.soon = false;
    this.looking ??= this.learn().finally(() => {
      this.looking = null;
      this.judge();
      const delayMs = Math.min(LOOK_DELAY_MS_MAX, LOOK_DELAY_MS * 2 ** this.inVain);
      // A node that lags behind may have named a master that is gone: then this is no calm.
      this.lookIn(this.well() ? CALM_DELAY_MS : delayMs * (0.5 + Math.random()));
    });
    return this.looking;
  }

  private async learn(): Promise<void> {
    let why = 'no node is known';
    for (const address of this.whomToAsk()) {
      if (this.closed) return;
      try {
        this.adopt(readSlots(await this.askSlots(address), address));
        this.inVain = 0;
        return;
      } catch (thrown) {
        why = `${address}: ${adviceFor(messageOf(thrown))}`;
      }
    }
    this.inVain = Math.min(this.inVain + 1, 10);
    this.failed(why);
  }

  /** Connected masters first, and each time another at the head: one that is cut off from the rest has an old map. */
  private whomToAsk(): string[] {
    const { masters, others } = this.map;
    const usable = [...masters].filter((address) => this.nodes.get(address)?.usable === true);
    const rest = [...this.options.seeds.map(addressText), ...others, ...masters];
    this.turn++;
    const rotated = [usable, rest].flatMap((list) => {
      const start = list.length === 0 ? 0 : this.turn % list.length;
      return [...list.slice(start), ...list.slice(0, start)];
    });
    return [...new Set(rotated)];
  }

  private async askSlots(address: string): Promise<unknown> {
    const command = new Command('cluster', ['SLOTS']);
    const node = this.nodes.get(address);
    if (node?.usable === true) return node.sendHere(command);
    let failure: string | null = null;
    const keep: RedisListener = ({ kind, message }) => (failure = kind === 'error' ? message : failure);
    const visit = this.connect(address, keep, { retryStrategy: () => null });
    this.visit = visit;
    try {
      await visit.ready();
      return await visit.sendHere(command);
    } catch (thrown) {
      throw failure === null ? thrown : new Error(failure);
    } finally {
      this.visit = null;
      await visit.close();
    }
  }

  private adopt(map: SlotMap): void {
    if (this.closed) return;
    this.map = map;
    for (const address of map.masters) this.nodeAt(address);
    for (const [address, node] of this.nodes) {
      if (map.masters.has(address) || Date.now() - (this.usedAtMs.get(address) ?? 0) < IDLE_MS_MAX) continue;
      this.nodes.delete(address);
      this.usedAtMs.delete(address);
      void node.close();
    }
  }
}

function slotOf(key: string): number {
  return new Command('get', [key]).getSlot() as number;
}
