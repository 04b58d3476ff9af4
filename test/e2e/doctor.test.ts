import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { freePorts } from '../servers/process.ts';
import { runCommand } from '../support/e2e-process.ts';
import { settingsOf, type Settings } from '../support/e2e-run.ts';
import { TestKafka, topicsOf } from '../support/e2e-topics.ts';

/** `doctor` and `validate` against real servers. */

interface Report {
  readonly ok: boolean;
  readonly checks: readonly { status: string; name: string; finding: string; advice: string }[];
}

describe('doctor', () => {
  const topics = topicsOf('doctor');
  const place = { kafka: inject('kafka'), redis: inject('redis'), topics };
  const kafka = new TestKafka(place.kafka);
  let closedPort = 0;

  const doctor = async (more: Settings = {}): Promise<{ report: Report; exitCode: number | null }> => {
    const program = await runCommand(['doctor', '--json'], settingsOf(place, more));
    expect(program.stdout, program.tail()).not.toBe('');
    return { report: JSON.parse(program.stdout) as Report, exitCode: program.exitCode };
  };
  const failures = ({ checks }: Report): string[] =>
    checks.filter(({ status }) => status === 'failure').map(({ name }) => name);

  beforeAll(async () => {
    [closedPort = 1] = await freePorts(1);
    await kafka.createAll(topics, 2);
  });
  afterAll(() => kafka.close());

  it('finds nothing to mend where all is well', async () => {
    const { report, exitCode } = await doctor({ 'registry.url': inject('registry') });
    expect(failures(report), JSON.stringify(report.checks)).toEqual([]);
    expect(report.ok).toBe(true);
    expect(exitCode).toBe(0);
    const names = report.checks.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['kafka', 'redis', 'registry', `topic ${topics.transactions}`]));
    const readable = await runCommand(['doctor'], settingsOf(place));
    expect(readable.stdout).toContain('Nothing must be fixed.');
  });

  it('says that Kafka, Redis and the registry do not answer, and what to do', async () => {
    const closed = `127.0.0.1:${closedPort}`;
    const { report, exitCode } = await doctor({
      'kafka.brokers': closed,
      'redis.url': `redis://${closed}`,
      'registry.url': `http://${closed}`,
    });
    expect(exitCode).toBe(1);
    expect(failures(report).sort()).toEqual(['kafka', 'redis', 'registry']);
    for (const { status, advice } of report.checks) if (status === 'failure') expect(advice).not.toBe('');
  });

  it('says which topic is missing, has too few partitions, or is compacted', async () => {
    const other = topicsOf('doctor-bad');
    await kafka.create([other.flagged], 1);
    await kafka.create([other.deadLetter], 1, { 'cleanup.policy': 'compact' });
    const { report, exitCode } = await doctor({
      'topics.decisions': other.decisions,
      'topics.flagged': other.flagged,
      'topics.dead-letter': other.deadLetter,
    });
    expect(exitCode).toBe(1);
    const found = new Map(report.checks.map((check) => [`${check.name}/${check.status}`, check]));
    expect(found.get(`topic ${other.decisions}/failure`)?.finding).toContain('does not exist');
    expect(found.get(`topic ${other.decisions}/failure`)?.advice).toContain('--create');
    expect(found.get(`topic ${other.flagged}/failure`)?.finding).toContain('has 1 partitions');
    expect(found.get(`topic ${other.deadLetter}/failure`)?.finding).toContain('compacted');
  });
});

describe('validate', () => {
  it('accepts what is shipped', async () => {
    const program = await runCommand(['validate'], { 'log.pretty': 'never' });
    expect(program.exitCode, program.tail()).toBe(0);
  });

  it('names each problem of a bad configuration on a line, exit code 2', async () => {
    const program = await runCommand(['validate'], { 'kafka.brokers': 'nowhere', 'state.store': 'postgres' });
    expect(program.exitCode).toBe(2);
    expect(program.stderr.trim().split('\n')).toHaveLength(2);
    expect(program.stderr).toContain('FRAUDSTREAM_KAFKA_BROKERS: "nowhere"');
    expect(program.stderr).toContain('FRAUDSTREAM_STATE_STORE: "postgres"');
  });

  it('keeps run from starting with a bad configuration or without a model', async () => {
    const bad = await runCommand(['run'], { 'topics.transactions': 'not a topic' });
    expect(bad.exitCode, bad.tail()).toBe(2);
    const none = await runCommand(['run'], { 'model.dir': '/nonexistent', 'http.port': 0 });
    expect(none.exitCode, none.tail()).toBe(2);
    expect(none.stderr).toContain('FS_MODEL_INVALID');
  });
});
