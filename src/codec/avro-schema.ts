import { FraudstreamError } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';

/**
 * A writer's Avro schema as a tree (a graph where it is recursive). We parse it ourselves, with caps, because it comes
 * from outside: it is turned into closures, never into source text.
 */
export type AvroType =
  | { readonly kind: AvroPrimitive; readonly logical: string | null; readonly decimalScale?: number }
  | { readonly kind: 'fixed'; readonly name: string; readonly size: number; readonly decimalScale?: number }
  | { readonly kind: 'enum'; readonly name: string; readonly symbols: readonly string[] }
  | { readonly kind: 'array' | 'map'; readonly items: AvroType }
  | { readonly kind: 'union'; readonly branches: readonly AvroType[] }
  | AvroRecord;

export interface AvroRecord {
  readonly kind: 'record';
  /** with its namespace */
  readonly name: string;
  readonly fields: readonly AvroField[];
}

export interface AvroField {
  readonly name: string;
  readonly type: AvroType;
}

const PRIMITIVES = ['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string'] as const;
export type AvroPrimitive = (typeof PRIMITIVES)[number];

/** @throws FraudstreamError FS_SCHEMA_INCOMPATIBLE when it is no Avro schema or is beyond the limits. */
export function parseAvroSchema(text: string): AvroType {
  if (text.length > LIMITS.schemaBytesMax) refuse(`it is longer than ${LIMITS.schemaBytesMax} bytes`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // A schema may be the bare name of a type, without quotes.
    json = text.trim();
  }
  return new SchemaParser().type(json, '', 0);
}

class SchemaParser {
  private readonly named = new Map<string, AvroType>();
  private nodes = 0;

  type(json: unknown, namespace: string, depth: number): AvroType {
    if (depth > LIMITS.schemaDepthMax) refuse(`it is nested deeper than ${LIMITS.schemaDepthMax}`);
    if (++this.nodes > LIMITS.schemaNodesMax) refuse(`it has more than ${LIMITS.schemaNodesMax} types`);
    if (typeof json === 'string') return this.reference(json, namespace);
    if (Array.isArray(json)) return this.union(json, namespace, depth);
    if (!isObject(json)) refuse('a type is neither a name, an object nor a union');
    const kind = json['type'];
    switch (kind) {
      case 'record':
      case 'error':
        return this.record(json, namespace, depth);
      case 'enum': {
        const symbols = json['symbols'];
        if (!Array.isArray(symbols) || !symbols.every((symbol) => typeof symbol === 'string')) {
          refuse('an enum has no symbols');
        }
        const name = fullName(json, namespace);
        return this.define(name, { kind, name, symbols });
      }
      case 'fixed': {
        const size = json['size'];
        if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) refuse('a fixed has no size');
        const name = fullName(json, namespace);
        return this.define(name, { kind, name, size, ...decimalScale(json) });
      }
      case 'array':
        return { kind, items: this.type(json['items'], namespace, depth + 1) };
      case 'map':
        return { kind, items: this.type(json['values'], namespace, depth + 1) };
      default: {
        const type = this.type(kind, namespace, depth + 1);
        const logical = json['logicalType'];
        if (!isPrimitive(type) || typeof logical !== 'string') return type;
        return { kind: type.kind, logical, ...(type.kind === 'bytes' ? decimalScale(json) : {}) };
      }
    }
  }

  private reference(name: string, namespace: string): AvroType {
    const primitive = PRIMITIVES.find((kind) => kind === name);
    if (primitive !== undefined) return { kind: primitive, logical: null };
    const qualified = name.includes('.') || namespace === '' ? name : `${namespace}.${name}`;
    const type = this.named.get(qualified) ?? this.named.get(name);
    if (type === undefined) refuse('it names a type that it does not define (references are not supported)');
    return type;
  }

  private union(json: readonly unknown[], namespace: string, depth: number): AvroType {
    if (json.length === 0) refuse('a union has no branch');
    return { kind: 'union', branches: json.map((branch) => this.type(branch, namespace, depth + 1)) };
  }

  private record(json: Record<string, unknown>, namespace: string, depth: number): AvroType {
    const name = fullName(json, namespace);
    const inner = name.includes('.') ? name.slice(0, name.lastIndexOf('.')) : '';
    const fields: AvroField[] = [];
    // Defined before its fields are read: a field may name the record that it is in.
    const record = this.define(name, { kind: 'record', name, fields });
    const list = json['fields'];
    if (!Array.isArray(list)) refuse('a record has no fields');
    const seen = new Set<string>();
    for (const field of list as unknown[]) {
      if (!isObject(field) || typeof field['name'] !== 'string') refuse('a field has no name');
      const fieldName = field['name'];
      if (seen.has(fieldName)) refuse('two fields have the same name');
      seen.add(fieldName);
      fields.push({ name: fieldName, type: this.type(field['type'], inner, depth + 1) });
    }
    return record;
  }

  private define(name: string, type: AvroType): AvroType {
    if (this.named.has(name)) refuse('two types have the same name');
    this.named.set(name, type);
    return type;
  }
}

/** Digits behind the point of the logical type decimal; nothing for another type, or a scale that cannot be. */
function decimalScale(json: Record<string, unknown>): { decimalScale?: number } {
  if (json['logicalType'] !== 'decimal') return {};
  const scale = json['scale'] ?? 0;
  return typeof scale === 'number' && Number.isSafeInteger(scale) && scale >= 0 && scale <= DECIMAL_SCALE_MAX
    ? { decimalScale: scale }
    : {};
}

const DECIMAL_SCALE_MAX = 100;

function fullName(json: Record<string, unknown>, namespace: string): string {
  const name = json['name'];
  if (typeof name !== 'string' || name === '') refuse('a named type has no name');
  if (name.includes('.')) return name;
  const own = json['namespace'];
  const space = typeof own === 'string' ? own : namespace;
  return space === '' ? name : `${space}.${name}`;
}

export function isPrimitive(type: AvroType): type is { kind: AvroPrimitive; logical: string | null } {
  return 'logical' in type;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refuse(detail: string): never {
  throw new FraudstreamError('FS_SCHEMA_INCOMPATIBLE', detail);
}
