import type { ErrorCode } from '../domain/errors.ts';

/** What a registry knows of a schema id: its text, or why records of it can never be read. */
export type SchemaEntry = { readonly text: string } | { readonly code: ErrorCode; readonly detail: string };

/** Writer schemas by id: what the decoder needs of a registry. */
export interface SchemaLookup {
  /** What is known of this id, however old; null when it was never fetched. Synchronous: on the path of every record. */
  lookup(id: number): SchemaEntry | null;
  /** False when `fetchAll` has to ask (again). */
  isFresh(id: number): boolean;
  /** Makes these ids known. @throws FraudstreamError FS_REGISTRY_UNAVAILABLE only: wait and try again */
  fetchAll(ids: Iterable<number>): Promise<void>;
}
