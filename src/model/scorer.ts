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
  close(): Promise<void>;
}

export interface ModelThresholds {
  /** score at or above: flagged for an analyst */
  readonly flag: number;
  /** score at or above: blocked */
  readonly block: number;
}
