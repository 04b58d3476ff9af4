import type { Transaction } from '../domain/transaction.ts';
import { CHANNELS } from '../domain/transaction.ts';
import type { Declared, Read } from '../expressions/types.ts';
import { LABEL_WORDS, VALUE_FIELDS, type LabelWord } from './catalogue.ts';
import { readerOf } from './field-reader.ts';

/** What expressions of the catalogue read. */
export interface WithPayment {
  readonly payment: Transaction | null;
}

/**
 * The names that an expression of the catalogue may use.
 * @param features ways to the values of earlier features; NaN = none. A field of the payment goes before a feature of its name,
 * as it does where conditions are a map.
 * @param label what is known of the payment; null = that is not to be asked
 */
export function catalogueScope<Env extends WithPayment>(
  features: Iterable<readonly [string, (env: Env) => number]>,
  label: LabelWord | null,
): Map<string, Declared<Env>> {
  const scope = new Map<string, Declared<Env>>();
  for (const [name, read] of features) scope.set(name, { type: 'double', nullable: true, read });
  for (const field of VALUE_FIELDS) {
    const read = stringOf(field);
    const nullable = NULLABLE.has(field);
    scope.set(
      field,
      field === 'channel' ? { type: 'string', nullable, read, words: CHANNELS } : { type: 'string', nullable, read },
    );
  }
  scope.set('amount_minor', { type: 'int', nullable: false, read: ({ payment }) => payment?.amount_minor });
  scope.set('event_time', { type: 'int', nullable: false, read: ({ payment }) => payment?.event_time });
  scope.set('lat', { type: 'double', nullable: true, read: ({ payment }) => payment?.lat });
  scope.set('lon', { type: 'double', nullable: true, read: ({ payment }) => payment?.lon });
  scope.set('attributes', { type: 'map<string>', entry: (key) => stringOf(`attributes.${key}`) });
  if (label !== null) scope.set('label', { type: 'string', nullable: false, read: () => label, words: LABEL_WORDS });
  return scope;
}

const NULLABLE: ReadonlySet<string> = new Set(['terminal_id', 'device_id', 'ip']);

function stringOf<Env extends WithPayment>(field: string): Read<Env, string | null> {
  const read = readerOf(field);
  return ({ payment }) => (payment === null ? null : (read(payment) ?? null));
}
