/** A committed position of one input partition, and what its committer noted beside it. */
export interface CommittedOffset {
  /** next offset to be decided */
  readonly offset: number;
  /** '' when nothing was noted */
  readonly metadata: string;
}

/**
 * The positions of an application: the committed offsets of a group that no consumer ever joins, read by connections of their own.
 * A consumer's own view of its group cannot be trusted (KafkaJS overwrites it when retention passes it).
 */
export interface Ledger {
  /** null: none was ever committed. Throws FS_KAFKA_UNAVAILABLE or FS_KAFKA_REFUSED. */
  read(topic: string, partition: number): Promise<CommittedOffset | null>;
}
