import { describe, expect, it } from 'vitest';
import { loadSettings, type LoadInput, type LoadResult } from '../../../src/config/load.ts';
import type { Settings } from '../../../src/config/options.ts';

const CANARY = 'c4n4ry-p4ssw0rd';

interface Case extends Partial<Omit<LoadInput, 'readFile'>> {
  files?: Record<string, string>;
}

function load(given: Case): LoadResult {
  const { files = {}, ...rest } = given;
  return loadSettings({
    command: 'run',
    argv: [],
    env: {},
    cwd: '/cwd',
    packageRoot: '/pkg',
    nowMs: Date.UTC(2026, 0, 10),
    readFile: (path) => {
      const text = files[path];
      if (text === undefined) throw Object.assign(new Error(`ENOENT ${CANARY}`), { code: 'ENOENT' });
      return text;
    },
    ...rest,
  });
}

function settingsOf(given: Case): Settings {
  const result = load(given);
  if (result.kind !== 'settings') throw new Error(JSON.stringify(result));
  return result.settings;
}

function problemsOf(given: Case): readonly string[] {
  const result = load(given);
  return result.kind === 'problems' ? result.problems : [];
}

const yaml = (text: string, more: Case = {}): Case => ({
  ...more,
  argv: ['--config', 'fs.yaml', ...(more.argv ?? [])],
  files: { '/cwd/fs.yaml': text, ...more.files },
});

describe('precedence', () => {
  const file = 'app:\n  id: from-yaml\ntopics.partitions: 9\n';
  const env = { FRAUDSTREAM_APP_ID: 'from-env' };

  it('is default, then YAML, then environment, then flags', () => {
    expect(settingsOf({})['app.id']).toBe('fraudstream');
    expect(settingsOf(yaml(file))['app.id']).toBe('from-yaml');
    expect(settingsOf(yaml(file, { env }))['app.id']).toBe('from-env');
    expect(settingsOf(yaml(file, { env, argv: ['--app-id=from-flag'] }))['app.id']).toBe('from-flag');
    expect(settingsOf(yaml(file, { env }))['topics.partitions']).toBe(9);
  });

  it('says where each value is from', () => {
    const result = load(yaml(file, { env, argv: ['--http-port', '0'] }));
    const origins = result.kind === 'settings' ? result.origins : new Map<string, string>();
    expect(origins.get('app.id')).toBe('FRAUDSTREAM_APP_ID');
    expect(origins.get('topics.partitions')).toBe('fs.yaml:3');
    expect(origins.get('http.port')).toBe('--http-port');
    expect(origins.get('redis.mode')).toBe('default');
  });

  it('takes the file from FRAUDSTREAM_CONFIG, unless --config names one', () => {
    const files = { '/a.yaml': 'app.id: a', '/b.yaml': 'app.id: b' };
    expect(settingsOf({ files, env: { FRAUDSTREAM_CONFIG: '/a.yaml' } })['app.id']).toBe('a');
    const both = { files, env: { FRAUDSTREAM_CONFIG: '/a.yaml' }, argv: ['--config', '/b.yaml'] };
    expect(settingsOf(both)['app.id']).toBe('b');
  });

  it('treats an empty variable as not set', () => {
    expect(settingsOf({ env: { FRAUDSTREAM_APP_ID: '' } })['app.id']).toBe('fraudstream');
  });
});

describe('values', () => {
  it('have their types', () => {
    const settings = settingsOf({
      argv: ['--kafka-brokers', 'a:1,b:2', '--kafka-brokers=c:3', '--create-topics', '--no-guard-card-numbers'],
      env: {
        FRAUDSTREAM_KAFKA_SESSION_TIMEOUT: '1m30s',
        FRAUDSTREAM_STATE_CACHE_BYTES: '64MiB',
        FRAUDSTREAM_POLICY_BLOCK_THRESHOLD: '0.97',
      },
    });
    expect(settings['kafka.brokers']).toEqual(['a:1', 'b:2', 'c:3']);
    expect(settings['topics.create']).toBe(true);
    expect(settings['guard.card-numbers']).toBe(false);
    expect(settings['kafka.session-timeout']).toBe(90_000);
    expect(settings['state.cache-bytes']).toBe(67_108_864);
    expect(settings['policy.block-threshold']).toBe(0.97);
    expect(settings['policy.flag-threshold']).toBeNull();
  });

  it('of paths are resolved against the package, the file, or the working directory', () => {
    expect(settingsOf({})['catalogue.file']).toBe('/pkg/config/features.yaml');
    expect(settingsOf({ argv: ['--catalogue-file', 'x.yaml'] })['catalogue.file']).toBe('/cwd/x.yaml');
    const files = { '/etc/fs/fs.yaml': 'catalogue.file: x.yaml' };
    expect(settingsOf({ files, argv: ['--config', '/etc/fs/fs.yaml'] })['catalogue.file']).toBe('/etc/fs/x.yaml');
  });

  it('may be YAML lists, numbers and quoted texts', () => {
    const settings = settingsOf(yaml('kafka:\n  brokers: [a:1, "b:2"]\nhttp:\n  port: 0\napp.id: "12"\n'));
    expect(settings['kafka.brokers']).toEqual(['a:1', 'b:2']);
    expect(settings['http.port']).toBe(0);
    expect(settings['app.id']).toBe('12');
  });

  it('after -- are positional', () => {
    const result = load({ command: 'dlq', argv: ['list', '--code', 'FS_AVRO_TRUNCATED'] });
    expect(result).toMatchObject({ kind: 'settings', positional: ['list'] });
    expect(problemsOf({ command: 'dlq', argv: ['list', '--', '--code'] })).toEqual([
      'dlq: unexpected argument "--code"',
    ]);
  });
});

describe('problems', () => {
  it('are all reported, one line each, with the place', () => {
    const problems = problemsOf(
      yaml('kafka:\n  broker: a:1\nhttp:\n  port: 70000\n', {
        env: { FRAUDSTREAM_LOG_LEVL: 'info', FRAUDSTREAM_LOG_PRETTY: 'maybe' },
        argv: ['--kafka-session-timeout', '10', '--sate-store', '--redis-mode', 'ring'],
      }),
    );
    expect(problems).toEqual([
      '--sate-store: unknown option; did you mean --state-store?',
      'fs.yaml:2: unknown option kafka.broker; did you mean kafka.brokers?',
      'FRAUDSTREAM_LOG_LEVL: unknown option; did you mean FRAUDSTREAM_LOG_LEVEL?',
      'FRAUDSTREAM_LOG_PRETTY: "maybe" is not one of auto, always, never',
      'fs.yaml:4: http.port: 70000 is more than 65535',
      '--kafka-session-timeout: "10" needs a unit: ms, s, m, h or d, such as 10s',
      '--redis-mode: "ring" is not one of standalone, sentinel, cluster',
    ]);
    for (const problem of problems) expect(problem).not.toMatch(/[\n\r]/);
  });

  it.each([
    [['--in', 'a.avro'], '--in: is not an option of run'],
    [['--app-id'], '--app-id: needs a value'],
    [['--app-id', 'a', '--app-id', 'b'], '--app-id: given more than once'],
    [['--no-app-id'], '--no-app-id: only a switch has a --no- form, and it takes no value'],
    [['--topics-labels-x', 'y'], '--topics-labels-x: unknown option'],
    [['--kafka-brokers', 'a'], '--kafka-brokers: "a" is not host:port'],
    [['--kafka-brokers', ''], '--kafka-brokers: is an empty list'],
    [['--topics-flagged', 'a/b'], '--topics-flagged: "a/b" is not 1–249 of a–z A–Z 0–9 . _ -'],
    [['--app-id', 'a\u001b[31m'], '--app-id: "a\\u001b[31m" is not 1–100 of a–z A–Z 0–9 . _ -'],
    [['--config', 'gone.yaml'], 'gone.yaml: the configuration file cannot be read (ENOENT)'],
  ])('%j: %s', (argv, problem) => {
    expect(problemsOf({ argv })[0]).toBe(problem);
  });

  it('include what a command needs', () => {
    expect(problemsOf({ command: 'replay' })).toEqual(['--in: is needed', '--out: is needed']);
    expect(load({ command: 'replay', argv: ['--in', 'a', '--out', 'b'] }).kind).toBe('settings');
  });

  it.each([
    ['wire.format: confluent', 'wire.format: confluent needs registry.url'],
    ['topics: {flagged: decisions}', 'topics.flagged: is the same topic as topics.decisions'],
    ['kafka.sasl-mechanism: plain', 'kafka.sasl-mechanism: needs kafka.sasl-username and kafka.sasl-password'],
    ['kafka.ssl-ca-file: x', 'kafka.ssl-ca-file: is set but kafka.ssl is false'],
    [
      'policy: {flag-threshold: 0.9, block-threshold: 0.5}',
      'policy.flag-threshold: is above policy.block-threshold: what is blocked must be flagged',
    ],
    ['redis.tls-cert-file: x', 'redis.tls-cert-file and redis.tls-key-file: set both or neither'],
  ])('between options: %s', (text, problem) => {
    expect(problemsOf(yaml(text))).toEqual([problem]);
  });
});

describe('a YAML file', () => {
  it.each([
    ['app: &a {id: x}\nkafka: *a', /anchors, aliases and tags are not used here/],
    ['app.id: !!js/function x', /anchors, aliases and tags|not valid YAML/],
    ['__proto__: {app: {id: x}}', /unknown option __proto__\.app\.id/],
    ['constructor: {prototype: 1}', /unknown option constructor\.prototype/],
    ['app.id: a\napp.id: b', /fs\.yaml:2: not valid YAML \(duplicate key\)/],
    ['app.id: a\napp: {id: b}', /fs\.yaml:2: app\.id is set already in fs\.yaml:1/],
    ['- a', /must be a map of options/],
    ['app:\n  id: [', /not valid YAML/],
    ['a: 1\n---\nb: 2', /more than one YAML document/],
    ['kafka: {brokers: [{a: 1}]}', /a list holds plain values only/],
    ['a: {a: {a: {a: {a: {a: {a: {a: {a: {a: 1}}}}}}}}}', /nested too deep/],
    ['replay.in: a', /unknown option replay\.in/],
    ['"a\\u001b[31m\\n": 1', /unknown option "a\\u001b\[31m\\n"/],
  ])('%j is refused', (text, problem) => {
    const problems = problemsOf(yaml(text));
    expect(problems.join('\n')).toMatch(problem);
    expect(({} as { app?: unknown }).app).toBeUndefined();
  });

  it('may be empty, or leave an option empty', () => {
    expect(settingsOf(yaml(''))['app.id']).toBe('fraudstream');
    expect(settingsOf(yaml('# nothing\napp:\n  id:\n'))['app.id']).toBe('fraudstream');
  });

  it('too large is refused unread', () => {
    expect(problemsOf(yaml('#'.repeat(1_000_001)))).toEqual(['fs.yaml: larger than 1000000 characters']);
  });
});

describe('secrets', () => {
  const sasl = { FRAUDSTREAM_KAFKA_SASL_MECHANISM: 'plain', FRAUDSTREAM_KAFKA_SASL_USERNAME: 'u' };
  const files = { '/run/secret': `${CANARY}\n`, '/cwd/secret': CANARY };

  it.each<[string, Case]>([
    ['the environment', { env: { ...sasl, FRAUDSTREAM_KAFKA_SASL_PASSWORD: CANARY } }],
    [
      'a file named in the environment',
      { files, env: { ...sasl, FRAUDSTREAM_KAFKA_SASL_PASSWORD_FILE: '/run/secret' } },
    ],
    ['a file named by a flag', { files, env: sasl, argv: ['--kafka-sasl-password-file', 'secret'] }],
    ['YAML', yaml(`kafka.sasl-password: ${CANARY}`, { env: sasl })],
    ['a file named in YAML', yaml('kafka.sasl-password-file: secret', { env: sasl, files })],
  ])('come from %s and are not seen in print', (_, given) => {
    const settings = settingsOf(given);
    expect(settings['kafka.sasl-password']?.reveal()).toBe(CANARY);
    expect(JSON.stringify(settings)).not.toContain(CANARY);
    expect(String(settings['kafka.sasl-password'])).toBe('[secret]');
  });

  it('are in no message', () => {
    const cases: Case[] = [
      { argv: [`--kafka-sasl-password=${CANARY}`] },
      { argv: ['--kafka-sasl-password', CANARY] },
      { argv: [`--kafka-sasl-passwort=${CANARY}`] },
      { argv: ['--redis-url', `http://u:${CANARY}@h`] },
      { argv: ['--registry-url', `ftp://u:${CANARY}@h`] },
      { env: { FRAUDSTREAM_KAFKA_SASL_PASSWORD: CANARY } },
      { env: { FRAUDSTREAM_KAFKA_SASL_PASWORD: CANARY } },
      { files, env: { FRAUDSTREAM_KAFKA_SASL_PASSWORD: CANARY, FRAUDSTREAM_KAFKA_SASL_PASSWORD_FILE: '/run/secret' } },
      { env: { FRAUDSTREAM_KAFKA_SASL_PASSWORD_FILE: '/gone' } },
      yaml(`kafka.sasl-password: [${CANARY}, b]`),
      yaml(`kafka.sasl-password: {a: ${CANARY}}`),
      yaml(`kafka.sasl-password: "${CANARY}`),
      yaml(`kafka.sasl-password: *${CANARY}`),
    ];
    for (const given of cases) {
      const problems = problemsOf(given);
      expect(problems.length).toBeGreaterThan(0);
      // a stray argument after a refused flag is shown; a password there must not be
      expect(problems.join('\n')).not.toContain(CANARY);
    }
  });

  it('are refused on the command line, with the other ways', () => {
    expect(problemsOf({ argv: ['--kafka-sasl-password=x'] })[0]).toBe(
      '--kafka-sasl-password: a secret is not taken from the command line, where others can see it; ' +
        'use --kafka-sasl-password-file or the environment',
    );
  });
});
