import { inspect } from 'node:util';

/** A password that no print, log, template or JSON shows. Only `reveal()` gives it, at the one place that sends it. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return MASK;
  }

  toJSON(): string {
    return MASK;
  }

  [inspect.custom](): string {
    return MASK;
  }
}

export const MASK = '[secret]';

/** `redis://user:pass@host/0?token=x` → `redis://user:[secret]@host/0`. A text that is no URL is masked as a whole. */
export function maskUrl(text: string): string {
  if (text === '') return '';
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return MASK;
  }
  const user = url.password === '' ? (url.username === '' ? '' : `${url.username}@`) : `${url.username}:${MASK}@`;
  return `${url.protocol}//${user}${url.host}${url.pathname === '/' ? '' : url.pathname}`;
}
