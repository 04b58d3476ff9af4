import type { Explainer } from '../model/scorer.ts';

/** What each feature of the catalogue adds to a score, from a model that knows only some of them, in its own order. */
export class Contributions {
  private readonly explainer: Explainer;
  private readonly columns: Int32Array;
  private readonly row: Float32Array;
  private readonly parts: Float64Array;
  private readonly byFeature: Float64Array;

  /**
   * @param columns per column of the model: index in the catalogue
   * @param featureCount of the catalogue
   */
  constructor(explainer: Explainer, columns: Int32Array, featureCount: number) {
    this.explainer = explainer;
    this.columns = columns;
    this.row = new Float32Array(columns.length);
    this.parts = new Float64Array(columns.length);
    this.byFeature = new Float64Array(featureCount);
  }

  /**
   * @param values feature values of the event start at `at`; NaN = none
   * @returns one per feature of the catalogue, 0 for those that the model does not know; valid until the next call
   */
  of(values: Float64Array, at: number): Float64Array {
    const { columns, row, parts, byFeature } = this;
    // float32, as the model saw them: a branch must fall the same way
    for (let c = 0; c < columns.length; c++) row[c] = values[at + columns[c]!]!;
    this.explainer.explain(row, 0, parts);
    for (let c = 0; c < columns.length; c++) byFeature[columns[c]!] = parts[c]!;
    return byFeature;
  }
}
