import { LineCounter, isAlias, isMap, isScalar, parseDocument, type Node, type YAMLMap } from 'yaml';
import { FraudstreamError } from '../domain/errors.ts';
import { didYouMean } from '../domain/suggest.ts';

/** A value of a map, and the line of its key. */
export interface YamlField {
  node: Node | null;
  line: number;
}

/** The YAML of a catalogue: its nodes with their lines, and the problems found so far. */
export class CatalogueYaml {
  private readonly fileName: string;
  private readonly lines = new LineCounter();
  private readonly problems: string[] = [];

  constructor(fileName: string) {
    this.fileName = fileName;
  }

  get problemCount(): number {
    return this.problems.length;
  }

  /** Throws FS_CATALOGUE_INVALID when it is not YAML or not a map. */
  rootOf(text: string): YAMLMap {
    const document = parseDocument(text, { lineCounter: this.lines, prettyErrors: false, uniqueKeys: true });
    for (const error of document.errors) this.problem(this.lineAt(error.pos[0]), `not valid YAML (${error.code})`);
    if (this.problems.length > 0) this.fail();
    if (isMap(document.contents)) return document.contents as YAMLMap;
    this.problem(1, 'a catalogue is a map with "version" and "features"');
    this.fail();
  }

  /** The values of a map by key; a key that is not known is a problem. */
  fieldsOf(map: YAMLMap, known: readonly string[], what: string): Map<string, YamlField> {
    const fields = new Map<string, YamlField>();
    for (const pair of map.items) {
      const key = String(isScalar(pair.key) ? pair.key.value : '');
      const line = this.lineOf(pair.key as Node);
      if (!known.includes(key)) this.problem(line, `unknown key "${key}" in ${what}${didYouMean(key, known)}`);
      fields.set(key, { node: pair.value as Node | null, line });
    }
    return fields;
  }

  /** undefined for what is no scalar */
  scalar(field: YamlField | undefined): unknown {
    const node = field?.node;
    if (isAlias(node)) this.problem(field!.line, 'aliases are not used in a catalogue');
    return isScalar(node) ? node.value : undefined;
  }

  private lineAt(offset: number): number {
    return this.lines.linePos(offset).line;
  }

  lineOf(node: Node | null): number {
    return node?.range ? this.lineAt(node.range[0]) : 1;
  }

  problem(line: number, what: string): void {
    this.problems.push(`${this.fileName}:${line}: ${what}`);
  }

  /** Throws FS_CATALOGUE_INVALID with the problems so far. */
  fail(): never {
    throw new FraudstreamError(
      'FS_CATALOGUE_INVALID',
      `${this.problems.length} problem(s)\n${this.problems.join('\n')}`,
    );
  }

  /** null for none, or none that is good */
  shortText(field: YamlField | undefined, name: string, key: string): string | null {
    if (!field) return null;
    const value = this.scalar(field);
    if (typeof value === 'string' && value.length <= 300) return value;
    this.problem(field.line, `${name}: ${key} must be a text of at most 300 characters`);
    return null;
  }
}
