/** What a read-committed reader finds at the end of the output of one input partition: the witness of what was decided. */
export interface OutputTail {
  /**
   * input offset of the last decision, or where output of an earlier owner may come late (at-least-once) the highest among the last
   * few thousand; null when no decision is there
   */
  readonly lastDecision: number | null;
  /** highest input offset among the last dead letters of this partition; null when none is near the end */
  readonly lastDeadLetter: number | null;
  /** input offset of the last flagged payment; null when none is there, or nobody asked for it */
  readonly lastFlagged: number | null;
  /**
   * lowest input offset that a record of ours has which stands first behind what is stable, in any stream: its transaction has no
   * end marker. null when there is none
   */
  readonly firstOpen: number | null;
  /** no decision of ours was ever written: the log begins at 0 and holds none (aborted ones are none) */
  readonly untouched: boolean;
}

export interface OutputLog {
  /** Throws FS_KAFKA_UNAVAILABLE or FS_KAFKA_REFUSED. */
  tail(partition: number): Promise<OutputTail>;
}
