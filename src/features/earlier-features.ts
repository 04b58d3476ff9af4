import { asksLabel, USER, type FeatureDeclaration } from './catalogue.ts';

/** The features of a catalogue above the one that is being read. */
export class EarlierFeatures {
  /** '' for one that has problems */
  readonly names: string[] = [];
  private readonly features: (FeatureDeclaration | null)[] = [];

  add(feature: FeatureDeclaration | null): void {
    this.names.push(feature?.name ?? '');
    this.features.push(feature);
  }

  /** Index of one whose values rows can keep; in words why they cannot; null = there is none of this name. */
  keepable(word: string): number | string | null {
    const index = this.names.indexOf(word);
    if (word === '' || index < 0) return null;
    const why = this.objection(index);
    return why ?? index;
  }

  /**
   * What a row keeps must be the same whenever verdicts come, and in whatever partition a feature of another entity is computed:
   * it is a function of the user's own payments.
   */
  private objection(index: number): string | null {
    const feature = this.features[index];
    if (!feature) return 'it has problems of its own';
    if (feature.entity.join() !== USER) return 'rows keep features of the user alone';
    if ([...feature.where, ...feature.among].some(asksLabel)) {
      return 'it changes when verdicts come: rows cannot keep it';
    }
    for (const operand of feature.operands) {
      const why = this.objection(operand);
      if (why !== null) return why;
    }
    return null;
  }
}
