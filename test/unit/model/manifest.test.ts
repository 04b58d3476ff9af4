import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

import { FraudstreamError } from '../../../src/domain/errors.ts';
import { parseManifest } from '../../../src/model/manifest.ts';

const FIXTURE = readFileSync(new URL('../../fixtures/model/manifest.json', import.meta.url), 'utf8');

function parsedWith(path: string, value: unknown): FraudstreamError {
  const root = JSON.parse(FIXTURE) as Record<string, unknown>;
  const keys = path.split('.');
  const last = keys.pop()!;
  const parent = keys.reduce((object, key) => object[key] as Record<string, unknown>, root);
  if (value === undefined) delete parent[last];
  else parent[last] = value;
  try {
    parseManifest(JSON.stringify(root));
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(FraudstreamError);
    return thrown as FraudstreamError;
  }
  throw new Error(`${path} was accepted`);
}

describe('parseManifest', () => {
  it('reads what the trainer wrote', () => {
    const manifest = parseManifest(FIXTURE);
    expect(manifest.name).toBe('fixture');
    expect(manifest.version).toBe(`fixture-${manifest.sha256.slice(0, 12)}`);
    expect(manifest.features).toHaveLength(40);
    expect(manifest.features[39]).toBe('f39');
    expect(manifest.inputTensor).toBe('features');
    expect(manifest.output).toEqual({ tensor: 'probability', column: 0 });
    expect(manifest.thresholds.flag).toBeLessThan(manifest.thresholds.block);
    expect(manifest.catalogueFingerprint).toBe('synthetic');
    expect(manifest.calibration.method).toBe('isotonic');
    expect(manifest.explanation).toMatchObject({ kind: 'tree_path' });
    expect(manifest.trainingData.rows).toBe(40_000);
    expect(Object.keys(manifest.metrics)).toEqual(['validation', 'later_days', 'unseen_users', 'unseen_users_later']);
  });

  it('does without input, calibration, explanation and catalogue fingerprint', () => {
    const root = JSON.parse(FIXTURE) as Record<string, unknown>;
    delete root['input'];
    delete root['calibration'];
    delete root['explanation'];
    delete root['catalogue_fingerprint'];
    const manifest = parseManifest(JSON.stringify(root));
    expect(manifest.inputTensor).toBeNull();
    expect(manifest.calibration).toEqual({ method: 'none' });
    expect(manifest.explanation).toBeNull();
    expect(manifest.catalogueFingerprint).toBeNull();
  });

  it.each<[string, unknown, string]>([
    ['format_version', 2, 'format_version'],
    ['format_version', undefined, 'format_version'],
    ['name', 'Not A Name', 'name'],
    ['version', '', 'version'],
    ['sha256', 'ABC', 'sha256'],
    ['features', [], 'features'],
    ['features', ['a', ''], 'features[1]'],
    ['features', ['a', 'b', 'a'], 'features[2]'],
    ['features', 'a', 'features'],
    ['input', {}, 'input.tensor'],
    ['calibration', [], 'calibration'],
    ['calibration.method', 'spline', 'calibration.method'],
    ['explanation', 'trees', 'explanation'],
    ['explanation.kind', 'shap', 'explanation.kind'],
    ['explanation.base', '0', 'explanation.base'],
    ['explanation', { kind: 'linear', base: 0, coefficient: [1] }, 'explanation.coefficient'],
    ['output', undefined, 'output'],
    ['output.tensor', 7, 'output.tensor'],
    ['output.column', -1, 'output.column'],
    ['output.column', 0.5, 'output.column'],
    ['output.column', 1e9, 'output.column'],
    ['thresholds', [], 'thresholds'],
    ['thresholds.flag', '0.5', 'thresholds.flag'],
    ['thresholds.flag', 0.99, 'thresholds.flag'],
    ['thresholds.block', 1.01, 'thresholds.block'],
    ['thresholds.block', null, 'thresholds.block'],
    ['training_data', undefined, 'training_data'],
    ['training_data.sha256', '00', 'training_data.sha256'],
    ['training_data.frauds', 40_001, 'training_data.frauds'],
    ['training_data.time_to_ms', 0, 'training_data.time_from_ms'],
    ['metrics', undefined, 'metrics'],
  ])('%s = %j is refused by its name', (path, value, named) => {
    const error = parsedWith(path, value);
    expect(error.code).toBe('FS_MODEL_INVALID');
    expect(error.place.field).toBe(named);
    expect(error.message).toContain(`${named} `);
  });

  it.each(['', 'null', '[]', '{', '7'])('%j is no manifest', (content) => {
    expect(() => parseManifest(content)).toThrow(expect.objectContaining({ code: 'FS_MODEL_INVALID' }));
  });
});
