import { EventView } from './event-view.ts';
import type { Layout } from './layout.ts';

/**
 * Keys of histories. A user's is the user's id; another entity's begins with a control character. A user's id that begins with
 * it has it twice, so that no two keys are ever equal.
 */
const MARK = '\u0001';

export function userKey(userId: string): string {
  return userId.startsWith(MARK) ? MARK + userId : userId;
}

/** @param name of the entity, such as `terminal_id` */
export function entityPrefix(name: string): string {
  return `${MARK}${name}${MARK}`;
}

/** @param ids one per field of the entity; null where one is null: there is no history of nobody */
export function entityKey(prefix: string, ids: readonly (string | null | undefined)[]): string | null {
  let key = prefix;
  for (let k = 0; k < ids.length; k++) {
    const id = ids[k];
    if (id === null || id === undefined) return null;
    key += k + 1 < ids.length ? `${id.length}:${id}` : id;
  }
  return key;
}

/** Which layout the history under a key has, and an event of it for decoding. */
export class KeyedLayouts {
  private readonly users: { readonly layout: Layout; readonly scratch: EventView };
  private readonly others: readonly {
    readonly keyPrefix: string;
    readonly layout: Layout;
    readonly scratch: EventView;
  }[];

  constructor(users: Layout) {
    this.users = { layout: users, scratch: new EventView(users) };
    this.others = users.beside.map(({ keyPrefix, layout }) => ({ keyPrefix, layout, scratch: new EventView(layout) }));
  }

  of(key: string): { readonly layout: Layout; readonly scratch: EventView } {
    if (this.others.length === 0 || !key.startsWith(MARK)) return this.users;
    return this.others.find(({ keyPrefix }) => key.startsWith(keyPrefix)) ?? this.users;
  }
}
