import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ERROR_ADVICE } from '../../../src/commands/error-advice.ts';
import { referencePages } from '../../../src/commands/reference-pages.ts';
import { ERRORS } from '../../../src/domain/errors.ts';

describe('the reference pages', () => {
  it.each(Object.entries(referencePages()))(
    'docs/%s is up to date: npm run build && node scripts/docs.mjs',
    (name, text) => {
      expect(readFileSync(new URL(`../../../docs/${name}`, import.meta.url), 'utf8')).toBe(text);
    },
  );

  it('say for every error what to do', () => {
    expect(Object.keys(ERROR_ADVICE).sort()).toEqual(Object.keys(ERRORS).sort());
  });
});
