/** Every command of the CLI. Help, docs/cli.md and the options' `commands` come from this table. */
export interface CommandSpec {
  readonly summary: string;
  /** what follows the name, beside options */
  readonly args: string;
  /** most positional arguments that it takes */
  readonly argsMax: number;
  readonly details: string;
  readonly examples: readonly string[];
  readonly hidden?: boolean;
}

export const COMMANDS = {
  run: {
    summary: 'decide payments from Kafka, with state in Redis',
    args: '',
    argsMax: 0,
    details:
      'Joins the consumer group, decides every record of the transactions topic and writes decisions, flagged ' +
      'payments and dead letters. Reconnects by itself when Kafka or Redis goes away. SIGTERM drains: the batch is ' +
      'finished, committed and flushed. Serves /metrics, /healthz and /readyz.',
    examples: ['fraudstream run', 'fraudstream run --config fraudstream.yaml --create-topics'],
  },
  replay: {
    summary: 'decide payments from files, embedded: no server',
    args: '',
    argsMax: 0,
    details:
      'Runs the same pipeline as `run` over files, with state in memory, and writes decisions, flagged payments and ' +
      'dead letters as files. With labels it also reports precision and recall.',
    examples: ['fraudstream replay --in out/sim/transactions.avro --out out/replay --labels out/sim/labels.avro'],
  },
  simulate: {
    summary: 'make realistic payments with known fraud, from a seed',
    args: '',
    argsMax: 0,
    details:
      'Writes payments and their labels to files, or to Kafka at a given rate. The same seed and settings give the same ' +
      'payments.',
    examples: [
      'fraudstream simulate --seed 7 --users 20000 --days 30 --out out/sim',
      'fraudstream simulate --sink kafka --rate 500',
    ],
  },
  'export-features': {
    summary: 'compute the feature rows of payments in files, for training',
    args: '',
    argsMax: 0,
    details: 'Computes exactly the features that the live path computes, one row per payment, joined with labels.',
    examples: [
      'fraudstream export-features --in out/sim/transactions.avro --labels out/sim/labels.avro --out out/features',
    ],
  },
  validate: {
    summary: 'check configuration, catalogue, model and schemas; exit code 2 on a problem',
    args: '',
    argsMax: 0,
    details: 'Reports every problem, one line each. Connects to nothing. --print shows the settings, secrets masked.',
    examples: ['fraudstream validate --config fraudstream.yaml', 'fraudstream validate --print'],
  },
  flagged: {
    summary: 'read flagged payments as an analyst: why, and what came before',
    args: '',
    argsMax: 0,
    details:
      'Reads the flagged topic without a consumer group, or a file that `replay` wrote, and prints each case with its ' +
      'reasons and the recent history of the user.',
    examples: [
      'fraudstream flagged --since 1h --min-score 0.9',
      'fraudstream flagged --follow --json',
      'fraudstream flagged --from-file out/replay/flagged.avro --user u42',
    ],
  },
  dlq: {
    summary: 'list, show or replay dead letters',
    args: 'list|show|replay',
    argsMax: 1,
    details:
      'list: dead letters with counts by error code. show: one, with its headers and a hex dump of its bytes. replay: ' +
      'sends the original bytes, key and headers to the input topic again. Reads the dead-letter topic, or a file that ' +
      '`replay` wrote.',
    examples: [
      'fraudstream dlq list --code FS_AVRO_TRUNCATED',
      'fraudstream dlq show --partition 2 --offset 17',
      'fraudstream dlq replay --code FS_SCHEMA_UNKNOWN --dry-run',
    ],
  },
  doctor: {
    summary: 'check Kafka, Redis, registry and topics, and say what to do',
    args: '',
    argsMax: 0,
    details:
      'Prints one line per check: ✓ good, ! worth a look, ✗ must be fixed. Takes about 10 s at most. Exit code 1 when ' +
      'something must be fixed.',
    examples: ['fraudstream doctor', 'fraudstream doctor --json'],
  },
  model: {
    summary: 'look at a model: what it is, what it was trained on, how good it was',
    args: 'inspect',
    argsMax: 1,
    details:
      'inspect: the card of the model, from its manifest, once model.onnx is found to be the one that the manifest means. ' +
      'Runs nothing of the model: `validate` does.',
    examples: ['fraudstream model inspect', 'fraudstream model inspect --model-dir models/ours --format markdown'],
  },
  state: {
    summary: 'look at positions and state, and repair them after an operator error',
    args: 'inspect|verify|rebuild|accept|rebase|repartition|drop',
    argsMax: 1,
    details:
      'inspect: where each partition stands, what would stop it, and the command that helps. verify: folds the log and ' +
      'compares every stored history. rebuild: drops the state and folds it from the log, offline. accept: makes a position ' +
      'valid again after it was set, lost or contradicted: --skip, --redecide, --log or --delivery. rebase: keeps the histories ' +
      'in another log (disaster recovery). repartition: moves histories to where their users are after partitions were added. ' +
      'drop: removes the state; the next start rebuilds it. All but inspect and verify need the members of the group ' +
      'stopped, and only say what they would do unless --apply is given.',
    examples: [
      'fraudstream state inspect --partition 2',
      'fraudstream state accept --partition 2 --skip --apply',
      'fraudstream state rebuild --apply',
      'fraudstream state repartition',
    ],
  },
  demo: {
    summary: 'simulate a day of payments and decide them, with a report',
    args: '',
    argsMax: 0,
    details: 'What `npm start` runs: everything embedded, nothing to set up.',
    examples: ['fraudstream demo'],
  },
  help: {
    summary: 'show help for a command',
    args: '[command]',
    argsMax: 1,
    details: 'The same as `fraudstream <command> --help`.',
    examples: ['fraudstream help run'],
  },
} as const satisfies Record<string, CommandSpec>;

export type CommandName = keyof typeof COMMANDS;

export const COMMAND_NAMES = Object.keys(COMMANDS) as CommandName[];

export function isCommandName(text: string): text is CommandName {
  return Object.hasOwn(COMMANDS, text);
}

/** What each exit code of the process says. */
export const EXIT_CODES = [
  [0, 'done, or stopped as asked'],
  [1, 'failed; the last log line or stderr says why'],
  [2, 'bad configuration or usage: one line per problem on stderr'],
  [3, 'stalled: there was lag, no offset moved, and a restarted consumer did not help'],
  [130, 'ended at once by a second SIGINT (Ctrl-C)'],
  [143, 'ended at once by a second SIGTERM'],
] as const;
