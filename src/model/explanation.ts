import { finite, finiteList, invalid, type JsonObject } from './manifest-values.ts';

/** How a score can be taken apart, as the manifest says. Trees are in the model itself, weights are here. */
export type Explanation =
  | {
      readonly kind: 'tree_path';
      /** mean of the raw score over the training rows, in the ensemble's space */ readonly base: number;
    }
  | {
      readonly kind: 'linear';
      /** log odds = base + sum of coefficient × (value − mean); a missing value counts as `missing` */
      readonly base: number;
      readonly coefficient: Float64Array;
      readonly mean: Float64Array;
      readonly missing: Float64Array;
    };

/**
 * @param entry `explanation` of the manifest
 * @param featureCount of the model
 * @throws FraudstreamError FS_MODEL_INVALID that names the key
 */
export function readExplanation(entry: JsonObject, featureCount: number): Explanation {
  const path = 'explanation.';
  const kind = entry['kind'];
  const base = finite(entry, 'base', path);
  if (kind === 'tree_path') return { kind, base };
  if (kind !== 'linear') throw invalid('explanation.kind', 'must be tree_path or linear');
  return {
    kind,
    base,
    coefficient: finiteList(entry, 'coefficient', path, featureCount),
    mean: finiteList(entry, 'mean', path, featureCount),
    missing: finiteList(entry, 'missing', path, featureCount),
  };
}
