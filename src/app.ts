import { readFile } from 'node:fs/promises';
import type { Settings } from './config/options.ts';
import { makePolicy, type Policy } from './decision/policy.ts';
import { FraudstreamError } from './domain/errors.ts';
import { parseCatalogue } from './features/parse.ts';
import { compilePlan, type Plan } from './features/plan.ts';
import type { Scorer } from './model/scorer.ts';
import { loadScorer } from './model/onnx-scorer.ts';
import { Engine, type EnginePorts } from './pipeline/engine.ts';

/** The composition root: the parts that every way of running has in common, made from settings. */
export interface Brain {
  readonly plan: Plan;
  readonly scorer: Scorer;
  readonly policy: Policy;
}

/** Throws FS_CATALOGUE_INVALID, FS_CONFIG_INVALID, FS_MODEL_…: what is wrong with it, before anything runs. */
export async function loadBrain(settings: Settings): Promise<Brain> {
  const plan = await loadPlan(settings);
  const scorer = await loadScorer(settings['model.dir'], plan.names);
  const policy = makePolicy(scorer.thresholds, {
    flag: settings['policy.flag-threshold'],
    block: settings['policy.block-threshold'],
    version: settings['policy.version'],
  });
  if (policy.thresholds.flag > policy.thresholds.block) {
    throw new FraudstreamError(
      'FS_CONFIG_INVALID',
      `policy.flag-threshold ${policy.thresholds.flag} is above policy.block-threshold ${policy.thresholds.block}`,
    );
  }
  return { plan, scorer, policy };
}

export async function loadPlan(settings: Settings): Promise<Plan> {
  const file = settings['catalogue.file'];
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new FraudstreamError('FS_CATALOGUE_INVALID', `${file} cannot be read (${error.code})`, {}, { cause: error });
  });
  return compilePlan(parseCatalogue(text, file), settings['event.allowed-lateness']);
}

export function makeEngine(
  brain: Brain,
  settings: Settings,
  ports: Pick<EnginePorts, 'decoder' | 'encoder' | 'clock' | 'labels'> & { watch?: EnginePorts['watch'] },
): Engine {
  const { watch, ...rest } = ports;
  return new Engine(
    brain.plan,
    { ...rest, scorer: brain.scorer, policy: brain.policy, ...(watch ? { watch } : {}) },
    { futureSkewMs: settings['event.future-skew'] },
  );
}
