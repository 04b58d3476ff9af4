import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import kafkajs from 'kafkajs';
import { dispatch, type Loaders } from '../../src/commands/dispatch.ts';
import { startKafka, type KafkaServer } from '../servers/kafka.ts';
import { REPOSITORY } from '../servers/process.ts';
import { environmentOf, until } from '../support/e2e-process.ts';
import { settingsOf } from '../support/e2e-run.ts';
import { TestKafka, topicsOf } from '../support/e2e-topics.ts';

/**
 * `doctor` against a broker that has access control. Whoever comes without a login may do everything that no rule is about: a rule for
 * somebody else is what takes it away.
 */

interface Finding {
  readonly status: string;
  readonly name: string;
  readonly finding: string;
  readonly advice: string;
}

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs;
const LOADERS = { doctor: () => import('../../src/commands/doctor.ts') } as unknown as Loaders;

describe('doctor, where logins have rights', () => {
  const topics = topicsOf('acl');
  let server: KafkaServer;
  let kafka: TestKafka;

  beforeAll(async () => {
    server = await startKafka({
      properties: {
        'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
        'allow.everyone.if.no.acl.found': 'true',
      },
    });
    kafka = new TestKafka(server.bootstrap);
    await kafka.createAll(topics, 2);
  });
  afterAll(async () => {
    await kafka.close();
    await server.stop();
  });

  const doctor = async (): Promise<Finding[]> => {
    let stdout = '';
    await dispatch(
      {
        argv: ['doctor', '--json'],
        env: environmentOf(settingsOf({ kafka: server.bootstrap, redis: inject('redis'), topics })),
        cwd: REPOSITORY,
        packageRoot: REPOSITORY,
        version: 'test',
        stdout: { write: (text) => (stdout += text) },
        stderr: { write: () => true },
        clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
        signal: new AbortController().signal,
        readFile: (path) => readFileSync(path, 'utf8'),
      },
      LOADERS,
    );
    return (JSON.parse(stdout) as { checks: Finding[] }).checks;
  };
  const failures = (checks: Finding[]): Finding[] => checks.filter(({ status }) => status === 'failure');

  const forOthers = async (
    resourceType: number,
    resourceName: string,
    operation: number,
    prefixed = false,
  ): Promise<void> => {
    // one that knows no topic yet: KafkaJS asks for all that it knows, and may not any more
    const fresh = new TestKafka(server.bootstrap);
    await fresh.admin.createAcls({
      acl: [
        {
          resourceType,
          resourceName,
          resourcePatternType: prefixed ? ResourcePatternTypes.PREFIXED : ResourcePatternTypes.LITERAL,
          principal: 'User:somebody-else',
          host: '*',
          operation,
          permissionType: AclPermissionTypes.ALLOW,
        },
      ],
    });
    await fresh.close();
  };

  it('finds that everything is allowed, on a broker of a version that it knows', async () => {
    const checks = await doctor();
    expect(failures(checks)).toEqual([]);
    expect(checks).toContainEqual(expect.objectContaining({ name: 'permissions', status: 'good' }));
    expect(checks).toContainEqual(
      expect.objectContaining({ name: 'broker 1', status: 'good', finding: 'Kafka 4.1 or later' }),
    );
    expect(checks).toContainEqual(expect.objectContaining({ name: 'brokers', finding: 'positions are kept for 7d' }));
  });

  it('names each thing that is not, with the command that grants it', async () => {
    await forOthers(AclResourceTypes.TOPIC, topics.decisions, AclOperationTypes.READ);
    await forOthers(AclResourceTypes.GROUP, `${topics.app}.ledger`, AclOperationTypes.READ);
    const id = `${topics.app}-${topics.transactions}-`;
    await forOthers(AclResourceTypes.TRANSACTIONAL_ID, id, AclOperationTypes.WRITE, true);
    let found: Finding[] = [];
    await until('the rules are in force', async () => (found = failures(await doctor())).length >= 3, {
      timeoutMs: 30_000,
    });
    expect(found.map(({ name }) => name).sort()).toEqual(
      [`group ${topics.app}.ledger`, `topic ${topics.decisions}`, `transactional ids ${id}*`].sort(),
    );
    for (const { advice } of found) expect(advice).toMatch(/^kafka-acls\.sh .*--add --allow-principal/);
  });
});
