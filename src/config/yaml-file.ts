import { isAlias, isMap, isScalar, isSeq, LineCounter, parseAllDocuments, type Node } from 'yaml';
import { quote } from './values.ts';

export interface YamlEntry {
  /** dotted: nested maps and dotted keys say the same */
  readonly key: string;
  readonly text: string | readonly string[];
  readonly line: number;
}

export interface YamlFile {
  readonly entries: readonly YamlEntry[];
  readonly problems: readonly string[];
}

const FILE_CHARACTERS_MAX = 1_000_000;
const DEPTH_MAX = 8;

/**
 * A configuration file as flat dotted keys with their lines. Walks the syntax tree, so that nothing of the file becomes
 * an object key (no prototype pollution), nothing expands (aliases, anchors, tags and merge keys are refused) and each
 * message has its line. Never throws; a null value is "not set".
 */
export function readYaml(source: string, fileName: string): YamlFile {
  const entries: YamlEntry[] = [];
  const problems: string[] = [];
  if (source.length > FILE_CHARACTERS_MAX) {
    return { entries, problems: [`${fileName}: larger than ${FILE_CHARACTERS_MAX} characters`] };
  }
  const lines = new LineCounter();
  const documents = parseAllDocuments(source, {
    lineCounter: lines,
    uniqueKeys: true,
    prettyErrors: false,
    version: '1.2',
  });
  if (!Array.isArray(documents)) return { entries, problems };
  if (documents.length > 1) problems.push(`${fileName}: more than one YAML document`);
  const lineOf = (offset: number | undefined): number => lines.linePos(offset ?? 0).line;

  for (const error of documents.flatMap((document) => document.errors)) {
    problems.push(
      `${fileName}:${lineOf(error.pos[0])}: not valid YAML (${error.code.toLowerCase().replaceAll('_', ' ')})`,
    );
  }
  const root = documents[0]?.contents;
  if (problems.length > 0 || root === null || root === undefined) return { entries, problems };

  const walk = (node: Node | null, key: string, line: number, depth: number): void => {
    const here = lineOf(node?.range?.[0]) || line;
    const at = `${fileName}:${here}: ${key === '' ? '' : `${quoteKey(key)}: `}`;
    if (node === null) return;
    if (isAlias(node) || (!isAlias(node) && hasAnchorOrTag(node))) {
      problems.push(`${at}anchors, aliases and tags are not used here`);
    } else if (isMap(node)) {
      if (depth >= DEPTH_MAX) {
        problems.push(`${at}nested too deep`);
        return;
      }
      for (const pair of node.items) {
        if (!isScalar(pair.key) || typeof pair.key.value === 'object') {
          problems.push(`${at}a key must be a word`);
          continue;
        }
        const name = String(pair.key.value);
        walk(pair.value as Node | null, key === '' ? name : `${key}.${name}`, lineOf(pair.key.range?.[0]), depth + 1);
      }
    } else if (key === '') {
      problems.push(`${at}the file must be a map of options`);
    } else if (isSeq(node)) {
      const items = node.items.map((item) => (isScalar(item) && !hasAnchorOrTag(item) ? scalarText(item) : null));
      if (items.includes(null)) problems.push(`${at}a list holds plain values only`);
      else entries.push({ key, text: items as string[], line });
    } else if (isScalar(node)) {
      const text = scalarText(node);
      if (text !== null) entries.push({ key, text, line });
    }
  };
  walk(root as Node, '', 1, 0);
  return { entries, problems };
}

/** A key in a message; one that holds anything but the letters of option names is quoted. */
export function quoteKey(key: string): string {
  return /^[a-zA-Z0-9._-]{1,100}$/.test(key) ? key : quote(key);
}

function hasAnchorOrTag(node: Node): boolean {
  return ('anchor' in node && node.anchor !== undefined) || node.tag !== undefined;
}

/** The text as written: `1e3`, `010` and `yes` reach the option's own parser unchanged. */
function scalarText(node: { value: unknown; source?: string | undefined }): string | null {
  if (node.value === null || node.value === undefined) return null;
  return node.source ?? String(node.value as string | number | boolean);
}
