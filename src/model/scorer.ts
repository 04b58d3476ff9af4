/** Scores feature rows. Adapter: onnxruntime-node. */
export interface Scorer {
  readonly modelVersion: string;
  /** feature names, in the order of the columns */
  readonly featureNames: readonly string[];
  /** per column: index of that feature in the catalogue */
  readonly columns: Int32Array;
  readonly thresholds: ModelThresholds;
  /**
   * @param rows row-major, `count × featureNames.length`, missing values are NaN
   * @param out receives `count` scores 0 … 1
   * Throws FS_MODEL_FAILED.
   */
  score(rows: Float32Array, count: number, out: Float64Array): Promise<void>;
  /** says which features made a score; null or absent: the model is not one that can be taken apart */
  readonly explainer?: Explainer | null;
  close(): Promise<void>;
}

/** Splits a raw score (before calibration) into what each feature adds to it. */
export interface Explainer {
  /** what is added up: log odds (raw score = 1 / (1 + exp(-sum))) or the raw score itself */
  readonly space: 'log_odds' | 'probability';
  /** what the model says of no row in particular: the mean over its training rows */
  readonly base: number;
  /**
   * @param row values in the model's order, from `at` on; NaN = missing
   * @param out receives one contribution per feature of the model: base + their sum is the result, but for rounding
   * @returns the row's raw score in `space`
   */
  explain(row: Float32Array, at: number, out: Float64Array): number;
}

export interface ModelThresholds {
  /** score at or above: flagged for an analyst */
  readonly flag: number;
  /** score at or above: blocked */
  readonly block: number;
}
