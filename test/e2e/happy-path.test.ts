import { mkdtempSync, rmSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { ask, metric, runCommand, until, type Program } from '../support/e2e-process.ts';
import { settingsOf, startRun } from '../support/e2e-run.ts';
import { decidedAll, decodePayment, TestKafka, topicsOf, type DecisionRecord } from '../support/e2e-topics.ts';
import { verify, type Outputs } from '../support/e2e-verify.ts';

/** A simulated day through the real thing: Kafka in, Redis for state, Kafka out. */

const PAYMENTS = 20_000;
const PARTITIONS = 3;
/** longest window 30 d, lateness 1 d, slack 14 d */
const TTL_MS = 45 * 86_400_000;

describe('a simulated day on Kafka and Redis', () => {
  const topics = topicsOf('day');
  const place = { kafka: inject('kafka'), redis: inject('redis'), topics };
  const kafka = new TestKafka(place.kafka);
  const folder = mkdtempSync(join(tmpdir(), 'fraudstream-e2e-'));
  let run: Program;
  let simulate: Program;
  let outputs: Outputs;

  beforeAll(async () => {
    await kafka.create([topics.decisions, topics.flagged, topics.deadLetter], PARTITIONS);
    simulate = await runCommand(
      [
        'simulate',
        '--sink',
        'kafka',
        '--rate',
        '5000',
        '--create-topics',
        '--users',
        '2000',
        '--payments-per-day',
        String(PAYMENTS),
      ],
      settingsOf(place, { 'topics.partitions': PARTITIONS }),
    );
    expect(simulate.exitCode, simulate.tail()).toBe(0);
    run = startRun(place);
    await decidedAll(kafka, topics, [run]);
  });
  afterAll(async () => {
    await run?.kill9();
    await kafka.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('is simulated onto topics that were made for it', async () => {
    expect(await kafka.count(topics.transactions)).toBeGreaterThan(PAYMENTS * 0.9);
    const { topics: made } = await kafka.admin.fetchTopicMetadata({ topics: [topics.transactions, topics.labels] });
    expect(made.map(({ partitions }) => partitions.length)).toEqual([PARTITIONS, PARTITIONS]);
  });

  it('is decided to the last payment, and the features are those of a recount', async () => {
    outputs = await verify(kafka, topics);
    expect(outputs.decisions.size).toBe(outputs.inputs.length);
    expect(outputs.repeats).toBe(0);
    expect(outputs.deadLetters).toEqual([]);
    expect(outputs.flagged.size).toBeGreaterThan(5);
    const verdicts = new Set([...outputs.decisions.values()].map(({ decision }) => decision));
    expect([...verdicts].sort()).toEqual(['ALLOW', 'BLOCK']);
  });

  it('is decided as the embedded replay decides it', async () => {
    const lines = outputs.inputs.map((raw) => JSON.stringify(decodePayment(raw)));
    const input = join(folder, 'payments.jsonl');
    writeFileSync(input, `${lines.join('\n')}\n`);
    const replay = await runCommand(['replay', '--in', input, '--out', folder], { 'log.pretty': 'never' });
    expect(replay.exitCode, replay.tail()).toBe(0);
    const avsc = (await import('avsc')).default;
    const replayed = await new Promise<DecisionRecord[]>((done, fail) => {
      const list: DecisionRecord[] = [];
      avsc
        .createFileDecoder(join(folder, 'decisions.avro'))
        .on('data', (record: DecisionRecord) => list.push(record))
        .on('error', fail)
        .on('end', () => done(list));
    });
    // The file holds one partition after the other; a place in it is a line number.
    const places = outputs.inputs.map(({ topic, partition, offset }) => `${topic}/${partition}/${offset}`);
    const placeOf = (id: string): string => places[Number(id.slice(id.lastIndexOf('/') + 1))] ?? id;
    const essence = (one: DecisionRecord, placeOfOriginal: (id: string) => string): unknown => ({
      transaction: one.transaction_id,
      decision: one.decision,
      score: one.score,
      reasons: one.reasons,
      flags: [one.flagged, one.exact, one.late, one.future, one.degraded],
      duplicateOf: one.duplicate_of === null ? null : placeOfOriginal(one.duplicate_of),
    });
    expect(replayed).toHaveLength(outputs.inputs.length);
    const live = places.map((id) => JSON.stringify(essence(outputs.decisions.get(id)!, (same) => same)));
    const offline = replayed.map((one) => JSON.stringify(essence(one, placeOf)));
    const different = live.filter((text, k) => text !== offline[k]);
    expect(different.slice(0, 3)).toEqual([]);
  });

  it('is counted in the metrics, and the process says that it is well', async () => {
    const total = outputs.inputs.length;
    expect(await metric(run, 'events_total')).toBe(total);
    expect(await metric(run, 'decisions_total')).toBe(total);
    expect(await metric(run, 'decisions_total', 'flagged="true"')).toBe(outputs.flagged.size);
    expect(await metric(run, 'assigned_partitions')).toBe(PARTITIONS);
    await until('no lag is shown', async () => (await metric(run, 'lag_records')) === 0, { programs: [run] });
    expect((await ask(run, '/healthz')).status).toBe(200);
    expect((await ask(run, '/readyz')).status).toBe(200);
  });

  it('can be read by an analyst', async () => {
    const settings = settingsOf(place);
    const cases = await runCommand(['flagged', '--json', '--limit', '3'], settings);
    expect(cases.exitCode, cases.tail()).toBe(0);
    const lines = cases.stdout.trim().split('\n');
    expect(lines).toHaveLength(3);
    for (const line of lines) {
      const shown = JSON.parse(line) as { decision: DecisionRecord; history: unknown[] };
      expect(outputs.flagged.has(shown.decision.decision_id)).toBe(true);
    }
    const readable = await runCommand(['flagged', '--limit', '1'], settings);
    expect(readable.exitCode).toBe(0);
    expect(readable.stdout.length).toBeGreaterThan(100);
  });

  it('leaves at SIGTERM in time, with its state written', async () => {
    expect(await run.stop(25_000), run.tail()).toBe(0);
    expect(run.log().map(({ message }) => message)).toContain('drained');
    const { groups } = await kafka.admin.describeGroups([topics.app]);
    expect(groups[0]?.members).toEqual([]);
    const redis = new Redis(place.redis);
    try {
      const keys = await redis.keys(`{${topics.app}:*`);
      const users = keys.filter((key) => key.includes(':u:'));
      const expected = new Set(
        outputs.inputs.map((raw) => `{${topics.app}:${topics.transactions}:${raw.partition}}:u:${raw.key}`),
      );
      expect(new Set(users)).toEqual(expected);
      const ttl = await redis.pttl(users[0]!);
      expect(ttl).toBeLessThanOrEqual(TTL_MS);
      expect(ttl).toBeGreaterThan(TTL_MS - 300_000);
    } finally {
      redis.disconnect();
    }
    // no record of a payment, a card or an address in the log
    const user = outputs.inputs[0]!.key!;
    expect(run.stderr).not.toContain(`"${user}"`);
    expect(readFileSync(join(folder, 'payments.jsonl'), 'utf8')).toContain(user);
  });
});
