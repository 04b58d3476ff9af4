/** Which Kafka a broker is, told from the requests that it speaks: it does not say it otherwise. Pure. */

export interface BrokerVersion {
  readonly nodeId: number;
  /** e.g. `4.0`, `2.3 to 2.6`; '' = it did not answer */
  readonly version: string;
  /** false: it lacks a request that we need; null: it did not answer */
  readonly usable: boolean | null;
  /** 4.0 or later */
  readonly isCurrent: boolean;
}

export type ApiVersions = Readonly<Record<number, { readonly minVersion: number; readonly maxVersion: number }>>;

const PRODUCE = 0;
const FETCH = 1;
/** what we send of each: Produce 7, Fetch 11 */
const NEEDED = [
  [PRODUCE, 7],
  [FETCH, 11],
] as const;

/** By the newest Fetch that they speak (KIP-896 and the change log of FetchRequest.json). */
const BY_FETCH: readonly (readonly [number, string])[] = [
  [18, '4.1 or later'],
  [17, '3.9'],
  [16, '3.7 to 3.8'],
  [14, '3.5 to 3.6'],
  [13, '3.1 to 3.4'],
  [12, '2.7 to 3.0'],
  [11, '2.3 to 2.6'],
  [0, 'older than 2.3'],
];
/** Since 4.0 a broker refuses the requests of clients before 2.1: Produce begins at 3. */
const PRODUCE_MIN_SINCE_4 = 3;

export function brokerVersionOf(nodeId: number, apis: ApiVersions | null): BrokerVersion {
  const fetch = apis?.[FETCH];
  const produce = apis?.[PRODUCE];
  if (apis === null || fetch === undefined || produce === undefined) {
    return { nodeId, version: '', usable: null, isCurrent: false };
  }
  const usable = NEEDED.every(([api, version]) => {
    const range = apis[api];
    return range !== undefined && range.minVersion <= version && version <= range.maxVersion;
  });
  // 4.0 says 0 for Produce again, for librdkafka's sake (KAFKA-18659); what it has removed of Fetch tells as well.
  const isCurrent = produce.minVersion >= PRODUCE_MIN_SINCE_4 || fetch.minVersion >= 4;
  const known = BY_FETCH.find(([version]) => fetch.maxVersion >= version)?.[1] ?? '';
  return { nodeId, version: isCurrent && fetch.maxVersion === 17 ? '4.0' : known, usable, isCurrent };
}
