export const DELIVERIES = ['exactly-once', 'at-least-once'] as const;
export type Delivery = (typeof DELIVERIES)[number];

/** What identifies an input log: offsets mean something only within one. */
export interface LogIdentity {
  readonly clusterId: string;
  /** the topic's id (KIP-516): another one when a topic is made anew under its name; '' when the broker does not tell */
  readonly topicId: string;
  readonly partitions: number;
}

/** Which log a position belongs to, and what stands before it: what lets an owner tell that the log is the one it read. */
export interface LogMark extends LogIdentity {
  readonly delivery: Delivery;
  /** offset of the last record that was handled; -1 = none, or one that cannot be told again */
  readonly lastOffset: number;
  /** hash of that record; '' with -1 */
  readonly lastHash: string;
}
