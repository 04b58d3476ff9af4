import type { ModelThresholds } from '../model/scorer.ts';
import type { Verdict } from '../domain/decision.ts';

/** What a score means. */
export interface Policy {
  readonly version: string;
  readonly thresholds: ModelThresholds;
}

/**
 * @param manifest thresholds of the model
 * @param overrides of the configuration; null = as the model says
 */
export function makePolicy(
  manifest: ModelThresholds,
  overrides: { flag: number | null; block: number | null; version: string | null },
): Policy {
  const thresholds = { flag: overrides.flag ?? manifest.flag, block: overrides.block ?? manifest.block };
  return {
    thresholds,
    version: overrides.version ?? `thresholds-${thresholds.flag}-${thresholds.block}`,
  };
}

export function verdictOf(policy: Policy, score: number): { verdict: Verdict; flagged: boolean } {
  const block = score >= policy.thresholds.block;
  return { verdict: block ? 'BLOCK' : 'ALLOW', flagged: block || score >= policy.thresholds.flag };
}
