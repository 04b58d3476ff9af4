import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

interface Mutation {
  readonly name: string;
  readonly patches: readonly { readonly file: string; readonly search: string; readonly replace: string }[];
}

const list = new URL('../../scripts/simulation-mutations-list.mjs', import.meta.url).href;
const { MUTATIONS } = (await import(list)) as { readonly MUTATIONS: readonly Mutation[] };

describe('deliberate errors', () => {
  it.each(MUTATIONS)('can still be made: $name', ({ patches }) => {
    const texts = new Map<string, string>();
    for (const { file, search, replace } of patches) {
      const text = texts.get(file) ?? readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
      expect(text.split(search).length - 1).toBe(1);
      texts.set(
        file,
        text.replace(search, () => replace),
      );
    }
  });
});
