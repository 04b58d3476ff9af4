import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { Message } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { runCommand, type Program } from '../support/e2e-process.ts';
import { FIRST_EVENT_MS, Payments } from '../support/e2e-payments.ts';
import { REVEALING, settingsOf, startRun } from '../support/e2e-run.ts';
import { decidedAll, headerOf, TestKafka, topicsOf, TRANSACTION, type Raw } from '../support/e2e-topics.ts';
import { verify, type Outputs } from '../support/e2e-verify.ts';

/** Bad records among good ones: each costs itself and nothing else. */

const RECORD_BYTES_MAX = '16777216';
const MIB = 1_048_576;
/** passes Luhn; of no bank */
const CARD_NUMBER = '4539578763621486';

describe('bad input among good payments', () => {
  const topics = topicsOf('bad');
  const place = { kafka: inject('kafka'), redis: inject('redis'), topics };
  const kafka = new TestKafka(place.kafka);
  const payments = new Payments({ seed: 3, users: 20, partitions: 1 });
  const good = payments.message(payments.next()).value;
  const valid = payments.next();
  const encode = (change: object): Buffer => TRANSACTION.toBuffer({ ...valid, ...change });
  const forged = Buffer.concat([
    encode({ attributes: {} }).subarray(0, -1),
    Buffer.from([0xfe, 0xff, 0xff, 0xff, 0x0f]),
  ]);
  const random = randomBytes(64);
  random[0] = 0xff;
  const bad: readonly { name: string; code: string; value: Buffer | null }[] = [
    { name: 'a tombstone', code: 'FS_INPUT_TOMBSTONE', value: null },
    { name: 'an empty value', code: 'FS_INPUT_EMPTY', value: Buffer.alloc(0) },
    { name: 'half a payment', code: 'FS_AVRO_TRUNCATED', value: good.subarray(0, good.length >> 1) },
    { name: 'bytes behind the payment', code: 'FS_AVRO_TRAILING', value: Buffer.concat([good, Buffer.from('x')]) },
    { name: 'random bytes', code: 'FS_', value: random },
    { name: 'a card number', code: 'FS_CARD_NUMBER', value: encode({ card_id: CARD_NUMBER }) },
    { name: 'a forged count', code: 'FS_AVRO_LIMIT', value: forged },
    { name: 'an unknown currency', code: 'FS_CURRENCY_UNKNOWN', value: encode({ currency: 'XYZ' }) },
    { name: 'a negative amount', code: 'FS_AMOUNT_INVALID', value: encode({ amount_minor: -1 }) },
    { name: 'a place that is not on Earth', code: 'FS_COORDINATES_INVALID', value: encode({ lat: 91, lon: 0 }) },
    { name: 'a time before 1970', code: 'FS_EVENT_TIME_INVALID', value: encode({ event_time: -1 }) },
    { name: '2 MiB', code: 'FS_RECORD_TOO_LARGE', value: Buffer.alloc(2 * MIB, 1) },
  ];
  const headers = {
    traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    mine: 'kept',
    ce_id: 'e-1',
  };
  const badMessage = ({ name, value }: (typeof bad)[number]): Message & { partition: number } => ({
    key: name,
    value,
    partition: 0,
    timestamp: String(FIRST_EVENT_MS),
    headers,
  });
  let run: Program;
  let outputs: Outputs;
  let letters: Map<string, Raw>;

  beforeAll(async () => {
    await kafka.create([topics.transactions, topics.deadLetter], 1, { 'max.message.bytes': RECORD_BYTES_MAX });
    await kafka.create([topics.decisions, topics.flagged, topics.labels], 1);
    for (const one of bad) {
      const before = payments.message(payments.next(), { headers: { tracestate: 'a=1', ce_type: 'p', other: 'x' } });
      await kafka.send(topics.transactions, [before, badMessage(one), payments.message(payments.next())]);
    }
    // A batch of 80 MB in some 80 kB: more than a batch may expand to.
    const bomb = Buffer.alloc(8 * MIB, 0);
    await kafka.send(
      topics.transactions,
      Array.from({ length: 10 }, () => ({ key: 'bomb', value: bomb, partition: 0 })),
      true,
    );
    await kafka.send(
      topics.transactions,
      payments.many(50).map((one) => payments.message(one)),
    );
    run = startRun(place, REVEALING);
    await decidedAll(kafka, topics, [run]);
  });
  afterAll(async () => {
    await run?.kill9();
    await kafka.close();
  });

  it('leaves no input without a decision or a dead letter', async () => {
    const inputs = await kafka.readAll(topics.transactions);
    expect(inputs.filter(({ key }) => key === 'bomb')).toHaveLength(10);
    outputs = await verify(kafka, topics, { unreadable: ({ key }) => key === 'bomb' });
    const expected = 2 * bad.length + 50;
    expect(outputs.decisions.size).toBe(expected);
    letters = new Map(
      outputs.deadLetters.map((raw) => [
        headerOf(raw, 'fraudstream.error.code') === 'FS_BATCH_EXPANSION' ? 'bomb' : String(raw.key),
        raw,
      ]),
    );
    expect(outputs.deadLetters).toHaveLength(bad.length + 1);
  });

  it.each(bad)('sends $name to the dead letter as it came', ({ name, code, value }) => {
    const letter = letters.get(name)!;
    const input = outputs.inputs.find(({ key }) => key === name)!;
    expect(headerOf(letter, 'fraudstream.error.code')).toContain(code);
    expect(headerOf(letter, '__connect.errors.topic')).toBe(topics.transactions);
    expect(headerOf(letter, '__connect.errors.partition')).toBe('0');
    expect(headerOf(letter, '__connect.errors.offset')).toBe(String(input.offset));
    expect(headerOf(letter, '__connect.errors.stage')).toMatch(/^(decode|validate)$/);
    expect(headerOf(letter, '__connect.errors.exception.class.name')).toBe('FraudstreamError');
    expect(headerOf(letter, '__connect.errors.exception.message')).not.toBe('');
    for (const [header, text] of Object.entries(headers)) expect(headerOf(letter, header)).toBe(text);
    expect(letter.timestampMs).toBe(FIRST_EVENT_MS);
    if (code === 'FS_CARD_NUMBER') {
      expect(letter.value).toHaveLength(0);
      expect(headerOf(letter, 'fraudstream.payload.redacted')).toBe('true');
      expect(JSON.stringify(letter.headers)).not.toContain(CARD_NUMBER);
    } else if (value === null) expect(letter.value).toBeNull();
    else expect(letter.value?.equals(value)).toBe(true);
  });

  it('sends a batch that expands too far to the dead letter as the bytes of the batch', () => {
    const letter = letters.get('bomb')!;
    expect(letter.value!.length).toBeLessThan(MIB);
    expect(letter.value!.includes(gzipSync(Buffer.alloc(0)).subarray(0, 3))).toBe(true);
  });

  it('never writes a card number or a payload to the log', () => {
    expect(run.stderr).not.toContain(CARD_NUMBER);
    expect(run.stderr).not.toContain(valid.transaction_id);
  });

  it('lists and shows dead letters', async () => {
    const settings = settingsOf(place);
    const list = await runCommand(['dlq', 'list'], settings);
    expect(list.exitCode, list.tail()).toBe(0);
    for (const { code } of bad) expect(list.stdout).toContain(code);
    expect(list.stdout).toContain(`${bad.length + 1}  in all`);
    const one = letters.get('an unknown currency')!;
    const show = await runCommand(
      ['dlq', 'show', '--partition', '0', '--offset', String(one.offset), '--json'],
      settings,
    );
    expect(show.exitCode, show.tail()).toBe(0);
    const shown = JSON.parse(show.stdout) as { code: string; value_base64: string };
    expect(shown.code).toBe('FS_CURRENCY_UNKNOWN');
    expect(Buffer.from(shown.value_base64, 'base64').equals(one.value!)).toBe(true);
  });

  it('replays dead letters: nothing at a dry run; then once more, with headers that are replaced', async () => {
    const settings = settingsOf(place);
    const code = ['--code', 'FS_CURRENCY_UNKNOWN'];
    const before = await kafka.count(topics.transactions);
    const dry = await runCommand(['dlq', 'replay', '--dry-run'], settings);
    expect(dry.exitCode, dry.tail()).toBe(0);
    expect(dry.stdout).toContain('1 left out');
    expect(await kafka.count(topics.transactions)).toBe(before);
    const replay = await runCommand(['dlq', 'replay', ...code], settings);
    expect(replay.exitCode, replay.tail()).toBe(0);
    expect(await kafka.count(topics.transactions)).toBe(before + 1);
    await decidedAll(kafka, topics, [run]);
    const again = (await kafka.readAll(topics.deadLetter)).at(-1)!;
    const first = letters.get('an unknown currency')!;
    expect(again.value!.equals(first.value!)).toBe(true);
    expect(Object.keys(again.headers).sort()).toEqual(Object.keys(first.headers).sort());
    expect(headerOf(again, '__connect.errors.offset')).toBe(String(before));
    expect(headerOf(again, 'mine')).toBe('kept');
    const sent = (await kafka.readAll(topics.transactions)).at(-1)!;
    expect(Object.keys(sent.headers).sort()).toEqual(Object.keys(headers).sort());
  });

  it('cuts a dead letter that its topic refuses, and goes on', async () => {
    const small = topicsOf('huge');
    const there = { ...place, topics: small };
    await kafka.create([small.transactions], 1, { 'max.message.bytes': RECORD_BYTES_MAX });
    await kafka.create([small.decisions, small.flagged, small.deadLetter], 1);
    // not to be compressed
    const huge = randomBytes(10_000_000);
    await kafka.send(small.transactions, [
      payments.message(payments.next()),
      { key: 'huge', value: huge, partition: 0 },
    ]);
    await kafka.send(small.transactions, [payments.message(payments.next())]);
    const second = startRun(there, REVEALING);
    try {
      await decidedAll(kafka, small, [second]);
      const { deadLetters, decisions } = await verify(kafka, small);
      expect(decisions.size).toBe(2);
      expect(deadLetters).toHaveLength(1);
      expect(deadLetters[0]!.value!.equals(huge.subarray(0, 900_000))).toBe(true);
      expect(headerOf(deadLetters[0]!, 'fraudstream.payload.truncated')).toBe('10000000');
      const replay = await runCommand(['dlq', 'replay'], settingsOf(there));
      expect(replay.stdout).toContain('0 sent');
    } finally {
      await second.kill9();
    }
  });
});
