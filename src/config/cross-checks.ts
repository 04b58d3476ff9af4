import type { Settings } from './options.ts';
import type { Secret } from './secret.ts';

/** What no single option can say: one line per problem. */
export function crossChecks(settings: Settings): string[] {
  const problems: string[] = [];
  const tls = ['kafka.ssl-ca-file', 'kafka.ssl-cert-file', 'kafka.ssl-key-file'] as const;
  for (const name of tls) {
    if (settings[name] !== null && !settings['kafka.ssl']) problems.push(`${name}: is set but kafka.ssl is false`);
  }
  if ((settings['kafka.ssl-cert-file'] === null) !== (settings['kafka.ssl-key-file'] === null)) {
    problems.push('kafka.ssl-cert-file and kafka.ssl-key-file: set both or neither');
  }
  const hasLogin = settings['kafka.sasl-username'] !== null || settings['kafka.sasl-password'] !== null;
  if (settings['kafka.sasl-mechanism'] === 'none') {
    if (hasLogin) problems.push('kafka.sasl-mechanism: is none but a user name or password is set');
  } else if (settings['kafka.sasl-username'] === null || settings['kafka.sasl-password'] === null) {
    problems.push('kafka.sasl-mechanism: needs kafka.sasl-username and kafka.sasl-password');
  }
  if (settings['redis.username'] !== null && settings['redis.password'] === null) {
    problems.push('redis.username: needs redis.password');
  }
  if (
    settings['redis.tls-ca-file'] !== null &&
    !settings['redis.tls'] &&
    !settings['redis.url'].startsWith('rediss:')
  ) {
    problems.push('redis.tls-ca-file: is set but redis.tls is false');
  }
  for (const group of ['redis.tls', 'registry.tls'] as const) {
    if ((settings[`${group}-cert-file`] === null) !== (settings[`${group}-key-file`] === null)) {
      problems.push(`${group}-cert-file and ${group}-key-file: set both or neither`);
    }
  }
  problems.push(...registryChecks(settings), ...topicChecks(settings), ...rangeChecks(settings));
  return problems;
}

function registryChecks(settings: Settings): string[] {
  const problems: string[] = [];
  if (settings['wire.format'] === 'confluent' && settings['registry.url'] === '') {
    problems.push('wire.format: confluent needs registry.url');
  }
  const login: readonly (string | Secret | null)[] = [settings['registry.username'], settings['registry.password']];
  if (login.filter((part) => part !== null).length === 1) {
    problems.push('registry.username and registry.password: set both or neither');
  }
  return problems;
}

function topicChecks(settings: Settings): string[] {
  const problems: string[] = [];
  const topics = [
    'topics.transactions',
    'topics.labels',
    'topics.decisions',
    'topics.flagged',
    'topics.dead-letter',
  ] as const;
  const seen = new Map<string, string>();
  for (const name of topics) {
    // Kafka folds . and _ in metric names and refuses to have both
    const folded = settings[name].replaceAll('_', '.');
    const other = seen.get(folded);
    if (other !== undefined) problems.push(`${name}: is the same topic as ${other}`);
    seen.set(folded, name);
  }
  return problems;
}

function rangeChecks(settings: Settings): string[] {
  const problems: string[] = [];
  const flag = settings['policy.flag-threshold'];
  const block = settings['policy.block-threshold'];
  if (flag !== null && block !== null && flag > block) {
    problems.push('policy.flag-threshold: is above policy.block-threshold: what is blocked must be flagged');
  }
  if (settings['batch.bytes-max'] < settings['record.max-bytes']) {
    problems.push('batch.bytes-max: is below record.max-bytes: the largest record must fit into a batch');
  }
  return problems;
}
