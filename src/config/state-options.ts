import type { OptionSpec } from './option-types.ts';

/** What `fraudstream state` is asked to do: flags only. */
export const STATE_OPTIONS = {
  'state.partition': {
    type: 'list',
    default: '',
    flag: '--partition',
    description: 'only these partitions of the transactions topic; not set: all',
    commands: ['state'],
    pattern: /^\d{1,7}$/,
    patternText: 'a partition number',
  },
  'state.apply': {
    type: 'bool',
    default: 'false',
    flag: '--apply',
    description: 'do it; without this the command only says what it would do',
    commands: ['state'],
  },
  'state.json': {
    type: 'bool',
    default: 'false',
    flag: '--json',
    description: 'one JSON object per line, for machines',
    commands: ['state'],
  },
  'state.user': {
    type: 'string',
    default: null,
    flag: '--user',
    description: 'inspect: also the stored history of this user_id',
    commands: ['state'],
  },
  'state.skip': {
    type: 'bool',
    default: 'false',
    flag: '--skip',
    description:
      'accept: go on at --to, or where the position was set; what lies before stays as it is, decided or not',
    commands: ['state'],
  },
  'state.redecide': {
    type: 'bool',
    default: 'false',
    flag: '--redecide',
    description: 'accept: decide again from --to on, or from where the position was set',
    commands: ['state'],
  },
  'state.log': {
    type: 'bool',
    default: 'false',
    flag: '--log',
    description: 'accept: take the input log as it is now; the state is dropped; see --from',
    commands: ['state'],
  },
  'state.to': {
    type: 'int',
    default: null,
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    flag: '--to',
    description: 'accept --skip and --redecide: the offset to go on at',
    commands: ['state'],
  },
  'state.from': {
    type: 'string',
    default: null,
    flag: '--from',
    description:
      'accept --log and rebase: where to begin in the log: earliest, latest or an offset; rebase also: matching = behind ' +
      'the record that the state has seen last, for a log that was copied',
    commands: ['state'],
    pattern: /^(?:earliest|latest|matching|\d{1,15})$/,
    patternText: 'earliest, latest, matching or an offset',
  },
} as const satisfies Record<string, OptionSpec>;
