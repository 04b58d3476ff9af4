import type { Settings } from './options.ts';
import { OPTION_NAMES, OPTION_TABLE } from './options.ts';
import { Secret } from './secret.ts';

/** Every text that must not be seen: the secrets, and the passwords inside URLs, as written and decoded. */
export function secretTexts(settings: Settings): string[] {
  const texts = new Set<string>();
  for (const name of OPTION_NAMES) {
    const value = settings[name];
    if (value instanceof Secret) texts.add(value.reveal());
    if (OPTION_TABLE[name]?.type !== 'url' || typeof value !== 'string') continue;
    for (const part of value.split(',')) {
      const password = URL.canParse(part) ? new URL(part).password : '';
      texts.add(password);
      try {
        texts.add(decodeURIComponent(password));
      } catch {
        // not percent-encoded: as written is enough
      }
    }
  }
  texts.delete('');
  return [...texts].sort((a, b) => b.length - a.length);
}
