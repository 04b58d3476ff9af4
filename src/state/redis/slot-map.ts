import { addressText, parseAddress } from './redis-settings.ts';

export const SLOTS = 16_384;

/** Who serves what in a Redis Cluster. Nodes are `host:port`. */
export interface SlotMap {
  /** slot → master; undefined = nobody */
  readonly owners: (string | undefined)[];
  readonly masters: ReadonlySet<string>;
  /** replicas: they know as much about who serves what */
  readonly others: readonly string[];
}

export interface Redirect {
  readonly ask: boolean;
  readonly slot: number;
  readonly address: string;
}

/**
 * The reply to CLUSTER SLOTS. A node that does not know its own address leaves it empty: it is the one that was asked.
 * Throws when it is no such reply, or when there are no slots.
 */
export function readSlots(reply: unknown, asked: string): SlotMap {
  const owners = new Array<string | undefined>(SLOTS);
  const masters = new Set<string>();
  const others = new Set<string>();
  if (!Array.isArray(reply)) throw new Error('CLUSTER SLOTS gave no list');
  for (const row of reply as unknown[][]) {
    const [first, last, master, ...replicas] = row;
    const owner = addressOf(master, asked);
    if (owner === null || !isSlot(first) || !isSlot(last)) continue;
    masters.add(owner);
    owners.fill(owner, first, last + 1);
    for (const replica of replicas) {
      const address = addressOf(replica, asked);
      if (address !== null) others.add(address);
    }
  }
  if (masters.size === 0) throw new Error('CLUSTERDOWN no slot is served');
  return { owners, masters, others: [...others].filter((address) => !masters.has(address)) };
}

const isSlot = (value: unknown): value is number =>
  Number.isInteger(value) && Number(value) >= 0 && Number(value) < SLOTS;

function addressOf(node: unknown, asked: string): string | null {
  if (!Array.isArray(node)) return null;
  const host = node[0] === null ? '' : String(node[0]);
  const port = Number(node[1]);
  if (host === '?') return null;
  const address = { host: host === '' ? (parseAddress(asked)?.host ?? '') : host, port };
  return parseAddress(addressText(address)) === null ? null : addressText(address);
}

/** `MOVED <slot> <host>:<port>` or `ASK …`, as `asked` answered it; null for anything else. */
export function redirectOf(message: string, asked: string): Redirect | null {
  const match = /^(MOVED|ASK) (\d{1,5}) (.*):(\d{1,5})$/.exec(message);
  if (match === null) return null;
  const named = (match[3] as string).replace(/^\[|\]$/g, '');
  const host = named === '' ? (parseAddress(asked)?.host ?? '') : named;
  const address = addressText({ host, port: Number(match[4]) });
  const slot = Number(match[2]);
  if (slot >= SLOTS || parseAddress(address) === null) return null;
  return { ask: match[1] === 'ASK', slot, address };
}

/** Whether the node that was asked for CLUSTER NODES is handing over or taking the slot. */
export function isMigrating(nodes: string, slot: number): boolean {
  const own = nodes.split('\n').find((line) => line.split(' ')[2]?.split(',').includes('myself'));
  return own !== undefined && new RegExp(`\\[${slot}-[<>]-`).test(own);
}
