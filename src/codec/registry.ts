import { FraudstreamError } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import type { OutputSchemaIds } from './decision-encoder.ts';
import { type RegistryAnswer, RegistryHttp, type RegistryHttpOptions } from './registry-http.ts';
import type { SchemaEntry, SchemaLookup } from './schema-lookup.ts';
import { type ContractName, SCHEMA_TEXTS } from './schemas.ts';

export interface RegistryOptions extends RegistryHttpOptions {
  /** how long an id that the registry does not know is taken for unknown without asking again; default 30,000 */
  readonly unknownTtlMs?: number;
  /** monotonic ms */
  readonly nowMs?: () => number;
}

/** JSON escapes make the schema in an answer longer than it is. */
const ANSWER_BYTES_MAX = 2 * LIMITS.schemaBytesMax + 65_536;
const SCHEMAS_MAX = 1_000;
/** Far more than the records in flight: an entry must not leave between `fetchAll` and `lookup`. */
const UNKNOWN_MAX = 100_000;
const FETCHES_AT_ONCE = 8;

/**
 * Client of a Confluent-compatible schema registry. A schema id means the same for ever, so what was fetched is kept;
 * an unknown id may be registered later, so that answer is kept for a short time only.
 */
export class SchemaRegistry implements SchemaLookup {
  private readonly http: RegistryHttp;
  private readonly unknownTtlMs: number;
  private readonly nowMs: () => number;
  private readonly schemas = new Map<number, SchemaEntry>();
  private readonly unknown = new Map<number, { entry: SchemaEntry; untilMs: number }>();
  private readonly inFlight = new Map<number, Promise<void>>();

  /** Connects to nothing yet. @throws FraudstreamError FS_CONFIG_INVALID */
  constructor(options: RegistryOptions) {
    this.http = new RegistryHttp(options, ANSWER_BYTES_MAX);
    this.unknownTtlMs = options.unknownTtlMs ?? 30_000;
    this.nowMs = options.nowMs ?? (() => performance.now());
  }

  lookup(id: number): SchemaEntry | null {
    return this.schemas.get(id) ?? this.unknown.get(id)?.entry ?? null;
  }

  isFresh(id: number): boolean {
    if (this.schemas.has(id)) return true;
    const unknown = this.unknown.get(id);
    return unknown !== undefined && unknown.untilMs > this.nowMs();
  }

  async fetchAll(ids: Iterable<number>): Promise<void> {
    const queue = [...ids];
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < queue.length) await this.fetchById(queue[next++]!);
    };
    const workers = Array.from({ length: Math.min(FETCHES_AT_ONCE, queue.length) }, worker);
    const failed = (await Promise.allSettled(workers)).find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /** Asks for a schema unless it is known; several callers share one question. */
  async fetchById(id: number): Promise<void> {
    if (this.isFresh(id)) return;
    let fetching = this.inFlight.get(id);
    if (fetching === undefined) {
      fetching = this.fetch(id).finally(() => this.inFlight.delete(id));
      this.inFlight.set(id, fetching);
    }
    await fetching;
  }

  /**
   * Registers one of our contracts for the values of a topic (TopicNameStrategy: subject `<topic>-value`) and returns
   * its id; the same again is a no-op. With a registry that lets us only read, the schema has to be there already.
   * @throws FraudstreamError FS_CONFIG_INVALID when the registry refuses it, FS_REGISTRY_UNAVAILABLE
   */
  async register(topic: string, contract: ContractName): Promise<number> {
    const subject = encodeURIComponent(`${topic}-value`);
    const body = { schema: JSON.stringify(JSON.parse(SCHEMA_TEXTS[contract])) };
    let answer = await this.http.ask('POST', `subjects/${subject}/versions`, body);
    if (answer.status === 401 || answer.status === 403) {
      const readOnly = await this.http.ask('POST', `subjects/${subject}`, body);
      if (readOnly.status === 200) answer = readOnly;
    }
    const id = answer.status === 200 && isObject(answer.body) ? answer.body['id'] : undefined;
    if (typeof id === 'number' && Number.isInteger(id) && id >= 0 && id <= 0xffff_ffff) return id;
    throw new FraudstreamError(
      'FS_CONFIG_INVALID',
      `the schema registry ${this.http.address} ${refusalOf(answer, contract)} for subject ${topic}-value`,
    );
  }

  close(): void {
    this.http.close();
  }

  private async fetch(id: number): Promise<void> {
    const answer = await this.http.ask('GET', `schemas/ids/${id}`, null);
    if (isUnknownId(answer)) {
      evictOldest(this.unknown, UNKNOWN_MAX);
      const entry: SchemaEntry = { code: 'FS_SCHEMA_UNKNOWN', detail: `schema id ${id} at ${this.http.address}` };
      // Deleted first, so that a renewed entry is the youngest.
      this.unknown.delete(id);
      this.unknown.set(id, { entry, untilMs: this.nowMs() + this.unknownTtlMs });
      return;
    }
    const entry = this.readEntry(answer, id);
    evictOldest(this.schemas, SCHEMAS_MAX);
    this.schemas.set(id, entry);
    this.unknown.delete(id);
  }

  /**
   * What is not surely about this id (a refused login, a proxy's page) is an outage: it must not send a whole topic to
   * the dead letter.
   */
  private readEntry(answer: RegistryAnswer, id: number): SchemaEntry {
    if (answer.status !== 200) throw this.http.unavailable(problemOf(answer.status));
    if (answer.tooLarge) return incompatible(id, `it is longer than ${LIMITS.schemaBytesMax} bytes`);
    const body = answer.body;
    if (!isObject(body) || typeof body['schema'] !== 'string') {
      throw this.http.unavailable('answered with something that is no schema');
    }
    const schemaType = body['schemaType'] ?? 'AVRO';
    if (schemaType !== 'AVRO') return incompatible(id, 'it is not an Avro schema');
    const references = body['references'];
    if (Array.isArray(references) && references.length > 0) {
      return incompatible(id, 'it has references to other subjects, which are not supported; inline them');
    }
    return { text: body['schema'] };
  }
}

/** Registers what we write, for the topics that we write it to. */
export async function registerOutputSchemas(
  registry: SchemaRegistry,
  topics: { readonly decisions: string; readonly flagged: string },
): Promise<OutputSchemaIds> {
  return {
    decision: await registry.register(topics.decisions, 'decision'),
    flagged: await registry.register(topics.flagged, 'flagged'),
  };
}

function incompatible(id: number, detail: string): SchemaEntry {
  return { code: 'FS_SCHEMA_INCOMPATIBLE', detail: `schema id ${id}: ${detail}` };
}

/** 404 with an error code of the registry; a bare 404 comes from something that is no registry. */
function isUnknownId(answer: RegistryAnswer): boolean {
  if (answer.status !== 404 || !isObject(answer.body)) return false;
  const code = answer.body['error_code'];
  return typeof code === 'number' && (code === 404 || Math.floor(code / 100) === 404);
}

function problemOf(status: number): string {
  if (status === 401 || status === 403) return `refused the credentials (${status}); set its user and password`;
  if (status === 404) return 'answered 404: is this the address of a schema registry?';
  return `answered ${status}`;
}

function refusalOf(answer: RegistryAnswer, contract: ContractName): string {
  if (answer.status === 409) return `has an incompatible schema and refuses ${contract}.avsc`;
  if (answer.status === 200) return `answered without an id to ${contract}.avsc`;
  return `refuses ${contract}.avsc (${answer.status})`;
}

function evictOldest(map: Map<number, unknown>, sizeMax: number): void {
  if (map.size < sizeMax) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
