import { readFileSync } from 'node:fs';
import { RegistryHttp } from '../codec/registry-http.ts';
import type { Settings } from '../config/options.ts';
import { toFraudstreamError } from '../domain/errors.ts';
import { SILENT_LOGGER } from '../domain/logger.ts';
import { parseCatalogue } from '../features/parse.ts';
import { compilePlan } from '../features/plan.ts';
import { safeJson } from '../observability/terminal.ts';
import { checkRedis } from '../state/redis/redis-check.ts';
import { RedisClient } from '../state/redis/redis-client.ts';
import type { KafkaClient } from '../transport/kafka/client.ts';
import { readClusterFacts } from '../transport/kafka/cluster-facts.ts';
import { readPermissions } from '../transport/kafka/cluster-permissions.ts';
import type { CommandContext } from './command.ts';
import { kafkaClientOf, redisSettingsOf, registryOptionsOf } from './connections.ts';
import { failure, good, renderCheck, type Check } from './doctor-check.ts';
import { kafkaChecks, redisChecks } from './doctor-checks.ts';
import { INTERNAL_TOPICS } from './doctor-cluster.ts';
import { doctorTransactionalId } from './doctor-permissions.ts';
import { groupOf, ledgerGroupOf } from './run-kafka.ts';

/** for each of Kafka, Redis and the registry, which are asked at the same time */
const SECTION_MS_MAX = 8_000;
const ANSWER_BYTES_MAX = 1_048_576;

/** `fraudstream doctor`: exit code 1 when something must be fixed. */
export async function run(context: CommandContext): Promise<number> {
  const { settings, stdout } = context;
  const [window, catalogue] = longestWindow(settings);
  const sections = await Promise.all([
    bounded('kafka', `check kafka.brokers (${settings['kafka.brokers'].join(', ')}), TLS and login`, () => {
      // one try that failed is no news here: the check says what came of it
      const client = kafkaClientOf(settings, SILENT_LOGGER);
      return askKafka(client, settings, window);
    }),
    bounded('redis', 'check redis.url, TLS and login', () => askRedis(context)),
    bounded('registry', 'check registry.url and its login', () => askRegistry(settings)),
  ]);
  const checks = [...catalogue, ...sections.flat()];
  const failures = checks.filter((check) => check.status === 'failure').length;
  if (settings['doctor.json']) {
    stdout.write(`${safeJson({ ok: failures === 0, checks })}\n`);
  } else {
    for (const check of checks) stdout.write(renderCheck(check));
    stdout.write(failures === 0 ? 'Nothing must be fixed.\n' : `${failures} of ${checks.length} must be fixed.\n`);
  }
  return failures === 0 ? 0 : 1;
}

async function askKafka(client: KafkaClient, settings: Settings, windowMs: number | null): Promise<Check[]> {
  const topics = (['transactions', 'labels', 'decisions', 'flagged', 'dead-letter'] as const).map(
    (topic) => settings[`topics.${topic}`],
  );
  const [group, ledger] = [groupOf(settings), ledgerGroupOf(settings)];
  const transactionalId = doctorTransactionalId(settings);
  const [facts, permissions] = await Promise.all([
    readClusterFacts(client, {
      topics: [...topics, ...INTERNAL_TOPICS],
      group,
      ledger,
      input: settings['topics.transactions'],
    }),
    // with old brokers, or a login that may do next to nothing, the rest is still worth knowing
    readPermissions(client, { topics, groups: [group, ledger], transactionalId }).catch(() => null),
  ]);
  return kafkaChecks(facts, settings, windowMs, permissions);
}

async function askRedis({ settings, clock }: CommandContext): Promise<Check[]> {
  if (settings['state.store'] === 'memory') return [good('redis', 'not used: state.store is memory')];
  const client = new RedisClient(redisSettingsOf(settings));
  try {
    const report = await checkRedis(client);
    const before = clock.nowMs();
    const [seconds, micros] = (await client.call('TIME')) as [Buffer, Buffer];
    const middle = (before + clock.nowMs()) / 2;
    const skewMs = Number(seconds.toString()) * 1_000 + Number(micros.toString()) / 1_000 - middle;
    return redisChecks(report, skewMs, settings['event.future-skew']);
  } finally {
    await client.close();
  }
}

async function askRegistry(settings: Settings): Promise<Check[]> {
  const options = registryOptionsOf(settings);
  if (options === null) return [good('registry', 'not used: bare Avro')];
  const http = new RegistryHttp({ ...options, attemptsMax: 2 }, ANSWER_BYTES_MAX);
  try {
    const { status, body, tooLarge } = await http.ask('GET', 'subjects', null);
    const advice = 'check registry.url, registry.username and registry.password';
    if (status !== 200) return [failure('registry', `${http.address} answered ${status}`, advice)];
    if (!tooLarge && !Array.isArray(body))
      return [failure('registry', `${http.address} is no schema registry`, advice)];
    return [good('registry', `${http.address}, ${Array.isArray(body) ? body.length : 'many'} subjects`)];
  } finally {
    http.close();
  }
}

function longestWindow(settings: Settings): [number | null, Check[]] {
  const file = settings['catalogue.file'];
  try {
    const { layout, names } = compilePlan(
      parseCatalogue(readFileSync(file, 'utf8'), file),
      settings['event.allowed-lateness'],
    );
    return [layout.horizonMs, [good('catalogue', `${names.length} features`)]];
  } catch (thrown) {
    const finding = toFraudstreamError(thrown, 'FS_CATALOGUE_INVALID').message.split('\n', 1)[0] ?? '';
    return [null, [failure('catalogue', finding, 'run fraudstream validate')]];
  }
}

/** What does not answer in time is a finding, not a wait. */
async function bounded(name: string, advice: string, ask: () => Promise<Check[]>): Promise<Check[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Check[]>((resolve) => {
    const finding = `no answer within ${SECTION_MS_MAX / 1_000} s`;
    timer = setTimeout(() => resolve([failure(name, finding, advice)]), SECTION_MS_MAX);
  });
  try {
    return await Promise.race([ask(), late]);
  } catch (thrown) {
    return [failure(name, toFraudstreamError(thrown).message, advice)];
  } finally {
    clearTimeout(timer);
  }
}
