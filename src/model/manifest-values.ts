import { FraudstreamError } from '../domain/errors.ts';

/** Readers of single values of manifest.json. All throw FS_MODEL_INVALID that names the key. */

export type JsonObject = Readonly<Record<string, unknown>>;

export function asObject(value: unknown, key: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(key, 'must be an object');
  return value as JsonObject;
}

export function string(object: JsonObject, key: string, path = '', emptyAllowed = false): string {
  const value = object[key];
  if (typeof value !== 'string') throw invalid(path + key, 'must be a string');
  if (value === '' && !emptyAllowed) throw invalid(path + key, 'must not be empty');
  return value;
}

export function matching(object: JsonObject, key: string, pattern: RegExp, text: string, path = ''): string {
  const value = string(object, key, path);
  if (!pattern.test(value)) throw invalid(path + key, `must be ${text}`);
  return value;
}

export function integer(object: JsonObject, key: string, path: string): number {
  const value = object[key];
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw invalid(path + key, 'must be a whole number, 0 or more');
  }
  return value;
}

export function share(object: JsonObject, key: string, path: string): number {
  const value = object[key];
  if (typeof value !== 'number' || !(value >= 0 && value <= 1)) throw invalid(path + key, 'must be a number 0 to 1');
  return value;
}

export function finite(object: JsonObject, key: string, path: string): number {
  const value = object[key];
  if (typeof value !== 'number' || !Number.isFinite(value)) throw invalid(path + key, 'must be a number');
  return value;
}

/** @param length null: any but 0 */
export function finiteList(object: JsonObject, key: string, path: string, length: number): Float64Array {
  const value = object[key];
  if (!Array.isArray(value) || value.length !== length || !value.every((one) => Number.isFinite(one))) {
    throw invalid(path + key, `must be a list of ${length} numbers`);
  }
  return Float64Array.from(value as number[]);
}

export function invalid(key: string, what: string): FraudstreamError {
  return new FraudstreamError('FS_MODEL_INVALID', `manifest.json: ${key} ${what}`, { field: key });
}
