import { isSeq, type Node } from 'yaml';
import { didYouMean } from '../domain/suggest.ts';
import { isValueField, VALUE_FIELDS } from './catalogue.ts';
import type { CatalogueYaml, YamlField } from './catalogue-yaml.ts';
import type { EarlierFeatures } from './earlier-features.ts';
import { parseFeatureExpression, type FeatureExpression } from './feature-expression.ts';

/** What an aggregate is of, in the form that it asks for. Problems are told to the YAML. */
export class OfParser {
  private readonly yaml: CatalogueYaml;
  private readonly given: YamlField | undefined;
  private readonly name: string;
  private readonly line: number;
  private readonly earlier: EarlierFeatures;

  /**
   * @param name of the feature
   * @param line of the feature
   */
  constructor(yaml: CatalogueYaml, given: YamlField | undefined, name: string, line: number, earlier: EarlierFeatures) {
    this.yaml = yaml;
    this.given = given;
    this.name = name;
    this.line = line;
    this.earlier = earlier;
  }

  /** Index of the earlier feature that rows keep; -1 = none is named, or none that is good. */
  kept(): number {
    if (!this.given) return -1;
    const word = String(this.yaml.scalar(this.given));
    const index = this.earlier.keepable(word);
    if (typeof index === 'number') return index;
    const why = index ?? `no earlier feature of this name${didYouMean(word, this.earlier.names)}`;
    this.problem(`of ${word}: ${why}`);
    return -1;
  }

  field(): string | null {
    const word = this.yaml.scalar(this.given);
    if (typeof word === 'string' && isValueField(word)) return word;
    const hint = typeof word === 'string' ? didYouMean(word, VALUE_FIELDS) : '';
    this.problem(`"of" must be a field of the transaction or attributes.<key>${hint}`);
    return null;
  }

  expression(): FeatureExpression | null {
    if (this.given) return parseFeatureExpression(this.yaml, this.given, this.name, this.earlier.names);
    this.problem('"of" must be an expression in quotes');
    return null;
  }

  twoFeatures(): number[] {
    const { given, line } = this;
    const list =
      given && isSeq(given.node) ? given.node.items.map((item) => this.yaml.scalar({ node: item as Node, line })) : [];
    if (list.length !== 2) {
      this.problem('"of" must list two earlier features');
      return [];
    }
    return list.map((word) => {
      const index = this.earlier.names.indexOf(String(word));
      if (index < 0 || word === '') {
        this.problem(`no earlier feature "${String(word)}"${didYouMean(String(word), this.earlier.names)}`);
      }
      return index;
    });
  }

  private problem(text: string): void {
    this.yaml.problem(this.given?.line ?? this.line, `${this.name}: ${text}`);
  }
}
