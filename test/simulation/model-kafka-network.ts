/**
 * How a request reaches the brokers: a port, so that the simulation can delay, lose, repeat or reorder it. One network
 * belongs to one client, that is to one simulated process.
 */
export type RequestKind =
  | 'InitProducerId'
  | 'AddPartitionsToTxn'
  | 'AddOffsetsToTxn'
  | 'Produce'
  | 'TxnOffsetCommit'
  | 'EndTxn'
  | 'OffsetFetch'
  | 'OffsetCommit'
  | 'Fetch'
  | 'ListOffsets'
  | 'Metadata'
  | 'JoinGroup'
  | 'SyncGroup'
  | 'Heartbeat'
  | 'LeaveGroup';

export interface ModelNetwork {
  /**
   * Runs `execute` when the request arrives: at once, later, twice, never; and settles with what the client learns of it:
   * its result, its error, or `noAnswer(kind)`. `execute` may throw, and may return a promise (a join waits for others).
   * It holds all that the request says: running it late is what a request does that was under way for long.
   */
  call<T>(kind: RequestKind, execute: () => T | Promise<T>): Promise<T>;
}

/** Every request arrives at once and every answer comes back. */
export const RELIABLE: ModelNetwork = {
  call: async (_kind, execute) => execute(),
};
