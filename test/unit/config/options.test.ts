import { describe, expect, expectTypeOf, it } from 'vitest';
import { COMMAND_NAMES, COMMANDS, isCommandName, type CommandSpec } from '../../../src/config/command-table.ts';
import { commandHelp, overviewHelp } from '../../../src/config/help-text.ts';
import {
  envName,
  flagName,
  isFlagOnly,
  OPTION_NAMES,
  OPTION_TABLE,
  optionsOf,
  type Settings,
} from '../../../src/config/options.ts';
import type { Secret } from '../../../src/config/secret.ts';
import { parseValue } from '../../../src/config/values.ts';

describe('the option table', () => {
  it('gives settings their types', () => {
    expectTypeOf<Settings['kafka.brokers']>().toEqualTypeOf<readonly string[]>();
    expectTypeOf<Settings['kafka.session-timeout']>().toEqualTypeOf<number>();
    expectTypeOf<Settings['policy.block-threshold']>().toEqualTypeOf<number | null>();
    expectTypeOf<Settings['kafka.sasl-password']>().toEqualTypeOf<Secret | null>();
    expectTypeOf<Settings['state.store']>().toEqualTypeOf<'redis' | 'memory'>();
    expectTypeOf<Settings['topics.create']>().toEqualTypeOf<boolean>();
  });

  it('has names in dotted kebab, with derived variables and flags', () => {
    for (const name of OPTION_NAMES) expect(name).toMatch(/^[a-z]+(-[a-z]+)*(\.[a-z]+(-[a-z]+)*)?$/);
    expect(envName('kafka.group-id')).toBe('FRAUDSTREAM_KAFKA_GROUP_ID');
    expect(flagName('kafka.group-id')).toBe('--kafka-group-id');
    expect(flagName('redis.password')).toBe('--redis-password-file');
    expect(envName('replay.in')).toBeNull();
  });

  it('has no two options with one variable, or with one flag in one command', () => {
    const variables = OPTION_NAMES.map(envName).filter((name) => name !== null);
    expect(new Set(variables).size).toBe(variables.length);
    for (const command of COMMAND_NAMES) {
      const flags = optionsOf(command).map(flagName);
      expect(new Set(flags).size).toBe(flags.length);
    }
  });

  it('has defaults that pass their own checks, bounds and a use for each option', () => {
    for (const name of OPTION_NAMES) {
      const spec = OPTION_TABLE[name];
      if (spec === undefined) throw new Error(name);
      if (spec.default !== null) {
        expect([name, parseValue(spec, spec.default, { baseDir: '/', nowMs: 0 }).ok]).toEqual([name, true]);
      }
      if (['int', 'number', 'duration', 'bytes'].includes(spec.type)) {
        expect([name, spec.min !== undefined && spec.max !== undefined]).toEqual([name, true]);
      }
      expect([name, spec.type === 'enum']).toEqual([name, spec.values !== undefined]);
      expect(spec.commands.length).toBeGreaterThan(0);
      expect(spec.commands.every(isCommandName)).toBe(true);
      expect(spec.description.length).toBeGreaterThan(5);
      if (!isFlagOnly(name)) expect([name, spec.commands.includes('validate')]).toEqual([name, true]);
    }
  });
});

describe('help', () => {
  it('names every command that is not hidden', () => {
    const text = overviewHelp('1.2.3');
    for (const name of COMMAND_NAMES) {
      const spec: CommandSpec = COMMANDS[name];
      expect(text.includes(`  ${name} `)).toBe(spec.hidden !== true);
    }
    expect(text).toMatchSnapshot();
  });

  it.each(COMMAND_NAMES)('of %s names every option of it, within 100 columns', (command) => {
    const text = commandHelp(command);
    for (const name of optionsOf(command)) {
      expect(text).toContain(flagName(name).slice(2));
      expect(text).toContain(envName(name) ?? '');
    }
    const tooLong = text.split('\n').filter((line) => line.length > 100 && !line.startsWith('  fraudstream'));
    expect(tooLong).toEqual([]);
  });

  it('of dlq reads well', () => {
    expect(commandHelp('dlq')).toMatchSnapshot();
  });
});
