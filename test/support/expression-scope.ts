import type { Declared, Scope } from '../../src/expressions/types.ts';

/** What the expressions of the tests are about. */
export interface Seen {
  amount_minor: number;
  score: number | null;
  visits: number | null;
  country: string;
  device_id: string | null;
  is_fraud: boolean | null;
  is_known: boolean;
  blocked: readonly string[] | ReadonlySet<string> | null;
  attributes: Readonly<Record<string, string>>;
}

export const SEEN: Seen = {
  amount_minor: 12_000,
  score: 0.75,
  visits: null,
  country: 'FR',
  device_id: null,
  is_fraud: null,
  is_known: true,
  blocked: ['FR', 'IT'],
  attributes: { auth: '3DS', ratio: '2.6', in: 'x', 'a b': 'y' },
};

export const SCOPE: Scope<Seen> = new Map<string, Declared<Seen>>([
  ['amount_minor', { type: 'int', nullable: false, read: (seen) => seen.amount_minor }],
  ['score', { type: 'double', nullable: true, read: (seen) => seen.score }],
  ['visits', { type: 'int', nullable: true, read: (seen) => seen.visits }],
  ['country', { type: 'string', nullable: false, read: (seen) => seen.country }],
  ['device_id', { type: 'string', nullable: true, read: (seen) => seen.device_id }],
  ['label.is_fraud', { type: 'bool', nullable: true, read: (seen) => seen.is_fraud }],
  ['is_known', { type: 'bool', nullable: false, read: (seen) => seen.is_known }],
  ['blocked', { type: 'list<string>', nullable: true, read: (seen) => seen.blocked }],
  [
    'attributes',
    {
      type: 'map<string>',
      entry: (key) => (seen) => (Object.hasOwn(seen.attributes, key) ? seen.attributes[key] : null),
    },
  ],
]);
