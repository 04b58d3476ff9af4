import { describe, expect, it } from 'vitest';
import type { CommandContext } from '../../../src/commands/command.ts';
import { dispatch, type Loaders, type World } from '../../../src/commands/dispatch.ts';
import { run as help } from '../../../src/commands/help.ts';
import { COMMAND_NAMES } from '../../../src/config/command-table.ts';
import { FraudstreamError } from '../../../src/domain/errors.ts';

const CANARY = 'c4n4ry-p4ssw0rd';

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

async function cli(
  argv: string[],
  command: (context: CommandContext) => Promise<number> = () => Promise.resolve(0),
  env: World['env'] = {},
): Promise<Outcome> {
  let stdout = '';
  let stderr = '';
  const run = argv[0] === 'help' ? help : command;
  const loaders = Object.fromEntries(COMMAND_NAMES.map((name) => [name, () => Promise.resolve({ run })])) as Loaders;
  const world: World = {
    argv,
    env,
    cwd: '/cwd',
    packageRoot: '/pkg',
    version: '1.2.3',
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
    clock: { nowMs: () => 0, monotonicMs: () => 0 },
    signal: new AbortController().signal,
    readFile: () => '',
  };
  const code = await dispatch(world, loaders);
  return { code, stdout, stderr };
}

describe('the command line', () => {
  it.each([[['--help']], [['-h']], [['run', '--help']], [['help']], [['help', 'dlq']]])(
    '%j prints help to stdout',
    async (argv) => {
      const { code, stdout, stderr } = await cli(argv);
      expect([code, stdout.includes('Usage: fraudstream'), stderr]).toEqual([0, true, '']);
    },
  );

  it('shows help even when the configuration is broken', async () => {
    const { code } = await cli(['help', 'run'], undefined, { FRAUDSTREAM_LOG_LEVEL: 'loud' });
    expect(code).toBe(0);
  });

  it('prints the version', async () => {
    expect(await cli(['--version'])).toEqual({ code: 0, stdout: '1.2.3\n', stderr: '' });
  });

  it('without a command, or with an unknown one, is usage: 2', async () => {
    expect((await cli([])).code).toBe(2);
    const { code, stderr } = await cli(['vaildate']);
    expect([code, stderr]).toEqual([2, 'fraudstream: unknown command "vaildate"; did you mean validate?\n']);
  });

  it('reports every configuration problem on its own line and runs nothing', async () => {
    let ran = false;
    const command = (): Promise<number> => {
      ran = true;
      return Promise.resolve(0);
    };
    const { code, stderr } = await cli(['run', '--http-port', 'x', '--app-id', 'a b'], command);
    expect([code, ran]).toEqual([2, false]);
    expect(stderr.split('\n')).toHaveLength(3);
    expect(stderr).toMatch(/^(fraudstream run: --[a-z-]+: .+\n){2}$/);
  });

  it('gives a command its settings and takes its exit code', async () => {
    const { code } = await cli(['dlq', 'list', '--limit', '7'], (context) => {
      expect(context.args).toEqual(['list']);
      return Promise.resolve(context.settings['dlq.limit']);
    });
    expect(code).toBe(7);
  });

  it.each([
    ['FS_STALLED', 3],
    ['FS_CONFIG_INVALID', 2],
    ['FS_CATALOGUE_INVALID', 2],
    ['FS_MODEL_HASH', 2],
    ['FS_MODEL_FAILED', 1],
    ['FS_KAFKA_REFUSED', 1],
  ] as const)('%s ends with %d', async (thrown, exitCode) => {
    const { code, stderr } = await cli(['run'], () => Promise.reject(new FraudstreamError(thrown, 'first\nsecond')));
    expect(code).toBe(exitCode);
    expect(stderr).toMatch(
      new RegExp(`^fraudstream run: .*first \\[${thrown}\\]\nfraudstream run: second \\[${thrown}\\]\n$`),
    );
  });

  it('shows a secret neither in a message, nor in the log, nor in a stack', async () => {
    const env = { FRAUDSTREAM_REDIS_URL: `redis://u:${CANARY}@h:1`, FRAUDSTREAM_REGISTRY_PASSWORD: 'x' };
    const { stderr } = await cli(
      ['run', '--registry-username', 'u'],
      (context) => {
        context.log.warn(`cannot use ${context.settings['redis.url']}`, { reason: CANARY });
        return Promise.reject(new Error(`AUTH u ${CANARY}\u001b[2J`));
      },
      env,
    );
    expect(stderr).toContain('[secret]');
    expect(stderr).not.toContain(CANARY);
    expect(stderr.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
  });
});
