import fc from 'fast-check';
import type { Decision, FlaggedTransaction } from '../../src/domain/decision.ts';
import { CHANNELS, type Label, LABEL_SOURCES, type Transaction } from '../../src/domain/transaction.ts';

/** objects with a prototype, as decoders make them */
const PLAIN = { noNullPrototype: true } as const;
const LETTERS = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'];

/** Any text that UTF-8 can carry: no lone surrogates. */
const text = (maxLength: number) => fc.string({ unit: 'binary', maxLength });
/** Not empty, and never a card number. */
const id = fc.oneof(fc.string({ unit: 'grapheme-ascii', maxLength: 40 }), text(40)).map((value) => `i${value}`);
const optionalId = fc.option(id, { nil: null });
const finite = fc.double({ noNaN: true, noDefaultInfinity: true });

const place = fc.option(
  fc.tuple(fc.double({ min: -90, max: 90, noNaN: true }), fc.double({ min: -180, max: 180, noNaN: true })),
  { nil: null },
);

/** Transactions that pass validation. */
export const transaction: fc.Arbitrary<Transaction> = fc
  .record(
    {
      transaction_id: id,
      user_id: id,
      event_time: fc.integer({ min: 0, max: 253_402_300_799_999 }),
      amount_minor: fc.oneof(fc.nat(1_000_000), fc.maxSafeNat()),
      currency: fc.constantFrom('EUR', 'USD', 'JPY', 'KWD'),
      card_id: id,
      merchant_id: id,
      mcc: fc.nat(9_999).map((code) => String(code).padStart(4, '0')),
      terminal_id: optionalId,
      device_id: optionalId,
      ip: fc.option(fc.ipV4(), { nil: null }),
      country: fc.tuple(fc.constantFrom(...LETTERS), fc.constantFrom(...LETTERS)).map((pair) => pair.join('')),
      channel: fc.constantFrom(...CHANNELS),
      place,
      attributes: fc.dictionary(fc.oneof(id, fc.constantFrom('constructor', 'toString', '0', '10')), id, {
        maxKeys: 6,
        noNullPrototype: true,
      }),
    },
    PLAIN,
  )
  .map(({ place: where, attributes, ...rest }) => ({
    ...rest,
    lat: where?.[0] ?? null,
    lon: where?.[1] ?? null,
    attributes,
  }));

const reason = fc.record(
  {
    code: id,
    value: fc.option(finite, { nil: null }),
    usual: fc.option(finite, { nil: null }),
    contribution: fc.option(finite, { nil: null }),
    text: text(60),
  },
  PLAIN,
);

export const decision: fc.Arbitrary<Decision> = fc.record(
  {
    decision_id: text(80),
    transaction_id: text(200),
    user_id: text(40),
    decision: fc.constantFrom('ALLOW' as const, 'BLOCK' as const),
    flagged: fc.boolean(),
    score: fc.double({ noDefaultInfinity: true, noNaN: true }),
    model_version: text(20),
    policy_version: text(20),
    catalogue_fingerprint: text(70),
    reasons: fc.array(reason, { maxLength: 5 }),
    input_topic: text(20),
    input_partition: fc.nat(),
    input_offset: fc.maxSafeNat(),
    event_time: fc.integer({ min: -(2 ** 51), max: 2 ** 51 }),
    decision_time: fc.maxSafeNat(),
    exact: fc.boolean(),
    late: fc.boolean(),
    future: fc.boolean(),
    duplicate_of: fc.option(text(40), { nil: null }),
    degraded: fc.array(text(20), { maxLength: 4 }),
  },
  PLAIN,
);

export const flagged: fc.Arbitrary<FlaggedTransaction> = fc.record(
  {
    decision,
    transaction,
    features: fc.dictionary(id, fc.option(finite, { nil: null }), { maxKeys: 60, noNullPrototype: true }),
    history: fc.array(
      fc.record({ event_time: fc.maxSafeNat(), amount_minor: fc.maxSafeNat(), input_offset: fc.maxSafeNat() }, PLAIN),
      { maxLength: 10 },
    ),
    explanation: fc.option(
      fc.record(
        {
          space: text(20),
          base: finite,
          contributions: fc.dictionary(id, finite, { maxKeys: 60, noNullPrototype: true }),
        },
        PLAIN,
      ),
      { nil: null },
    ),
  },
  PLAIN,
);

export const label: fc.Arbitrary<Label> = fc.record(
  {
    transaction_id: id,
    user_id: id,
    event_time: fc.maxSafeNat(),
    card_id: optionalId,
    merchant_id: optionalId,
    terminal_id: optionalId,
    device_id: optionalId,
    ip: optionalId,
    is_fraud: fc.boolean(),
    source: fc.constantFrom(...LABEL_SOURCES),
    labelled_at: fc.maxSafeNat(),
  },
  PLAIN,
);
