import type { OptionSpec } from './option-types.ts';

/** What `fraudstream model` is asked to do: flags only. */
export const MODEL_OPTIONS = {
  'model-card.format': {
    type: 'enum',
    values: ['text', 'json', 'markdown'],
    default: 'text',
    flag: '--format',
    description: 'how the card is written; json is the manifest, on one line',
    commands: ['model'],
  },
} as const satisfies Record<string, OptionSpec>;
