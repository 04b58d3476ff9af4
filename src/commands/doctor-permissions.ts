import type { Settings } from '../config/options.ts';
import type { Operation, Permissions } from '../transport/kafka/cluster-permissions.ts';
import { failure, good, warning, type Check } from './doctor-check.ts';
import { groupOf, ledgerGroupOf } from './run-kafka.ts';

interface Need {
  readonly resource: 'topic' | 'group';
  readonly name: string;
  readonly operations: readonly Operation[];
}

/** What `run` does, in Kafka's words. Outputs are read, too: their end is the witness of the position. */
function needsOf(settings: Settings): Need[] {
  return [
    { resource: 'topic', name: settings['topics.transactions'], operations: ['Read'] },
    { resource: 'topic', name: settings['topics.decisions'], operations: ['Read', 'Write'] },
    {
      resource: 'topic',
      name: settings['topics.flagged'],
      operations: settings.delivery === 'exactly-once' ? ['Read', 'Write'] : ['Write'],
    },
    { resource: 'topic', name: settings['topics.dead-letter'], operations: ['Read', 'Write'] },
    { resource: 'group', name: groupOf(settings), operations: ['Read'] },
    { resource: 'group', name: ledgerGroupOf(settings), operations: ['Read'] },
  ];
}

export function doctorTransactionalId(settings: Settings): string {
  return `${settings['app.id']}-${settings['topics.transactions']}-doctor`;
}

/** One line per thing that the login may not do, with the command that grants it. */
export function permissionChecks(permissions: Permissions, settings: Settings): Check[] {
  const checks: Check[] = [];
  let known = 0;
  for (const { resource, name, operations } of needsOf(settings)) {
    const allowed = (resource === 'topic' ? permissions.topics : permissions.groups).get(name) ?? null;
    if (allowed === null) continue;
    known++;
    const lacking = operations.filter((operation) => !allowed.has(operation));
    if (lacking.length === 0) continue;
    const grant = `${lacking.map((one) => `--operation ${one}`).join(' ')} --${resource} '${name}'`;
    checks.push(
      failure(`${resource} ${name}`, `this login lacks ${lacking.join(' and ')}`, commandOf(settings, grant)),
    );
  }
  const input = permissions.topics.get(settings['topics.transactions']) ?? null;
  if (input !== null && input.size > 0 && !input.has('DescribeConfigs')) {
    const name = settings['topics.transactions'];
    const grant = `--operation DescribeConfigs --topic '${name}'`;
    const finding = 'whether it is compacted may not be read: run would not notice';
    checks.push(warning(`topic ${name}`, finding, commandOf(settings, grant)));
  }
  if (permissions.transactionalId === false) {
    const prefix = `${settings['app.id']}-${settings['topics.transactions']}-`;
    const grant = `--operation Write --operation Describe --transactional-id '${prefix}' --resource-pattern-type prefixed`;
    checks.push(failure(`transactional ids ${prefix}*`, 'this login may not use them', commandOf(settings, grant)));
  }
  if (checks.length > 0) return checks;
  if (known === 0) return [warning('permissions', 'the brokers do not tell them', 'start run to find out')];
  return [good('permissions', 'this login may do all that run does')];
}

function commandOf(settings: Settings, grant: string): string {
  const user = settings['kafka.sasl-username'] ?? '<name>';
  const brokers = settings['kafka.brokers'][0] ?? '';
  return `kafka-acls.sh --bootstrap-server ${brokers} --add --allow-principal 'User:${user}' ${grant}`;
}
