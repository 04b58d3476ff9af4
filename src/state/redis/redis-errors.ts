import { FraudstreamError, type ErrorCode, type ErrorPlace } from '../../domain/errors.ts';

interface Advice {
  readonly pattern: RegExp;
  readonly text: string;
  readonly code?: ErrorCode;
}

const PERMISSIONS =
  'ACL SETUSER <user> ~{<app>:* +get +set +del +mget +eval +evalsha +unlink +scan +ping +info +client|setname, and in a ' +
  'cluster +cluster|slots +cluster|nodes +asking';

/** What Redis (or ioredis) says → what it means and what to do. The first match counts. */
const ADVICE: readonly Advice[] = [
  { pattern: /WRONGPASS|invalid password/, text: 'wrong user or password: check redis.username and redis.password' },
  { pattern: /NOAUTH/, text: 'the server asks for a password: set redis.password' },
  { pattern: /NOPERM/, text: `the user lacks a permission: ${PERMISSIONS}` },
  { pattern: /\bOOM\b/, text: 'the server is at maxmemory: give it more memory (its policy must stay noeviction)' },
  { pattern: /MISCONF/, text: 'the server cannot save to its disk and refuses writes: free or repair that disk' },
  { pattern: /READONLY/, text: 'the server is a replica: wait for the failover, or point redis.url at the master' },
  {
    pattern: /MASTERDOWN/,
    text: 'the server is a replica that lost its master: wait for the failover, or point redis.url at the master',
  },
  { pattern: /LOADING/, text: 'the server is loading its data: wait' },
  { pattern: /\bBUSY\b/, text: 'another script blocks the server: wait, or end it with SCRIPT KILL' },
  { pattern: /NOREPLICAS/, text: 'too few replicas are up for a write (min-replicas-to-write)' },
  { pattern: /CLUSTERDOWN|TRYAGAIN/, text: 'the cluster is moving or lacks this slot: wait' },
  {
    pattern: /MOVED|ASK|CROSSSLOT/,
    text: 'the server is part of a cluster: redis.mode must say so; if it does, slots are on the move: wait',
  },
  { pattern: /cluster support disabled/, text: 'the server is not part of a cluster: redis.mode must say so' },
  {
    pattern: /sentinels are unreachable/,
    text: 'no sentinel names the master: check redis.sentinels, redis.sentinel-master and redis.sentinel-password',
  },
  { pattern: /max number of clients/, text: 'the server has too many clients: raise its maxclients' },
  {
    pattern: /WRONGTYPE/,
    text: 'a key of ours holds another type: another program writes it',
    code: 'FS_STATE_CORRUPT',
  },
  { pattern: /ECONNREFUSED/, text: 'nothing listens there: is Redis up, is redis.url right' },
  { pattern: /ENOTFOUND|EAI_AGAIN/, text: 'the host name of redis.url is not known' },
  { pattern: /ETIMEDOUT|EHOSTUNREACH|ENETUNREACH/, text: 'no way to the host: check address and firewall' },
  { pattern: /certificate|self.signed|SSL|TLS/i, text: 'TLS failed: check redis.tls and the certificates' },
  { pattern: /Command timed out/, text: 'no answer within redis.command-timeout; the outcome is unknown' },
  {
    pattern: /Reached the max retries|Connection is closed|aborted due to connection close/,
    text: 'the connection broke; the outcome is unknown',
  },
  { pattern: /Stream isn't writeable/, text: 'not connected' },
];

export const isNoScript = (thrown: unknown): boolean => messageOf(thrown).includes('NOSCRIPT');

/** It may be that another node serves the slot by now. */
export const isGone = (message: string): boolean =>
  /^(MOVED|CLUSTERDOWN|READONLY|MASTERDOWN)|timed out|is closed|not connected|isn't writeable|max retries/.test(
    message,
  );

export const isTimeout = (thrown: unknown): boolean => messageOf(thrown) === 'Command timed out';

/**
 * Its text. A host name with several addresses fails with an AggregateError that has no text of its own, but one error per
 * address.
 */
export function messageOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  if (thrown instanceof AggregateError && thrown.message === '') {
    return thrown.errors.map((error: unknown) => messageOf(error)).join(', ');
  }
  return thrown.message;
}

/** Meaning and advice for a message of Redis or ioredis; the message itself when it is none that we know. */
export function adviceFor(message: string): string {
  const known = ADVICE.find((advice) => advice.pattern.test(message));
  return known === undefined ? message : `${known.text} (${message})`;
}

/**
 * What ioredis threw, as one of ours: FS_STATE_UNAVAILABLE (FS_STATE_CORRUPT for a key of a foreign type).
 * ioredis hangs the whole command on its errors: names of users, blobs, for AUTH the password. A log prints an error with
 * all its fields, so only the text goes on, as `cause`.
 *
 * `connection` is what the connection last failed with; it explains "not connected".
 */
export function redisError(
  thrown: unknown,
  doing: string,
  place: ErrorPlace,
  connection: string | null,
): FraudstreamError {
  if (thrown instanceof FraudstreamError) return thrown;
  const message = messageOf(thrown);
  const code = ADVICE.find((advice) => advice.pattern.test(message))?.code ?? 'FS_STATE_UNAVAILABLE';
  const why = connection === null ? '' : `; the last connection failed: ${connection}`;
  return new FraudstreamError(code, `${doing}: ${adviceFor(message)}${why}`, place, { cause: new Error(message) });
}
