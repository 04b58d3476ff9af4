import { LineCounter, isMap, isScalar, isSeq, parseDocument, type Node } from 'yaml';
import { FraudstreamError } from '../domain/errors.ts';
import { didYouMean } from '../domain/suggest.ts';

/** A value in the file, and the line of its key. */
export interface YamlValue {
  readonly node: Node | null;
  readonly line: number;
}

export type YamlEntries = ReadonlyMap<string, YamlValue>;

const FILE_CHARACTERS_MAX = 1_000_000;
const NO_ENTRIES: YamlEntries = new Map();

/** The YAML of a mapping: its values with their lines, and the problems found so far. Values are texts as written. */
export class MappingYaml {
  readonly fileName: string;
  private readonly lines = new LineCounter();
  private readonly problems: string[] = [];

  constructor(fileName: string) {
    this.fileName = fileName;
  }

  get problemCount(): number {
    return this.problems.length;
  }

  problem(line: number, what: string): void {
    this.problems.push(`${this.fileName}:${line}: ${what}`);
  }

  /** Throws FS_MAPPING_INVALID with the problems so far, one per line. */
  fail(): never {
    throw new FraudstreamError('FS_MAPPING_INVALID', `${this.problems.length} problem(s)\n${this.problems.join('\n')}`);
  }

  /** Throws FS_MAPPING_INVALID when it is not YAML. */
  root(text: string): YamlValue {
    if (text.length > FILE_CHARACTERS_MAX) {
      this.problem(1, `the file is larger than ${FILE_CHARACTERS_MAX} characters`);
      this.fail();
    }
    const document = parseDocument(text, { lineCounter: this.lines, prettyErrors: false, uniqueKeys: true });
    for (const error of document.errors) {
      const what = error.code.toLowerCase().replaceAll('_', ' ');
      this.problem(this.lines.linePos(error.pos[0]).line, `not valid YAML (${what})`);
    }
    if (this.problems.length > 0) this.fail();
    return { node: document.contents as Node | null, line: 1 };
  }

  /** The values of a map by key. `known` null: any key. */
  entries(value: YamlValue, what: string, known: readonly string[] | null): YamlEntries {
    if (!isMap(value.node)) {
      this.problem(value.line, `${what} must be a map${known === null ? '' : ` with ${known.join(', ')}`}`);
      return NO_ENTRIES;
    }
    const entries = new Map<string, YamlValue>();
    for (const pair of value.node.items) {
      const line = this.lineOf(pair.key as Node | null, value.line);
      const key = scalarText(pair.key as Node | null);
      if (key === null) {
        this.problem(line, `${what}: a key must be a plain text`);
        continue;
      }
      if (known !== null && !known.includes(key)) {
        this.problem(line, `unknown key ${quoted(key)} in ${what}${didYouMean(key, known)}`);
      }
      entries.set(key, { node: pair.value as Node | null, line });
    }
    return entries;
  }

  /** null when it is absent, or no plain value (a problem then) */
  text(value: YamlValue | undefined, what: string): string | null {
    if (value === undefined) return null;
    const text = scalarText(value.node);
    if (text === null) this.problem(value.line, `${what} needs a plain value`);
    return text;
  }

  /** One of some words; null when it is absent or another one. */
  choice<T extends string>(value: YamlValue | undefined, what: string, words: readonly T[]): T | null {
    const text = this.text(value, what);
    if (text === null || value === undefined) return null;
    const found = words.find((word) => word === text);
    if (found !== undefined) return found;
    this.problem(value.line, `${what}: ${quoted(text)} is none of ${words.join(', ')}${didYouMean(text, words)}`);
    return null;
  }

  /** A list of plain values; null when it is absent or something else. */
  list(value: YamlValue | undefined, what: string): readonly string[] | null {
    if (value === undefined) return null;
    const texts = isSeq(value.node) ? value.node.items.map((item) => scalarText(item as Node | null)) : [null];
    if (!texts.includes(null)) return texts as string[];
    this.problem(value.line, `${what} must be a list of plain values, such as [A, B]`);
    return null;
  }

  /** The items of a list with their lines. */
  items(value: YamlValue, what: string): readonly YamlValue[] {
    if (isSeq(value.node)) {
      return value.node.items.map((item) => {
        const node = item as Node | null;
        return { node, line: this.lineOf(node, value.line) };
      });
    }
    this.problem(value.line, `${what} must be a list`);
    return [];
  }

  private lineOf(node: Node | null, otherwise: number): number {
    return node?.range ? this.lines.linePos(node.range[0]).line : otherwise;
  }
}

/** The user's text in a message: short, without control characters. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);
}

/** As written, so that 0742 stays four digits; null for what is no plain value. */
function scalarText(node: Node | null | undefined): string | null {
  if (!isScalar(node) || node.value === null || node.value === undefined) return null;
  if (node.tag !== undefined || node.anchor !== undefined) return null;
  return node.source ?? String(node.value as string | number | boolean);
}
