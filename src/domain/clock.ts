/** The time of day is a port: the simulation and the tests own it. */
export interface Clock {
  /** ms since 1970 */
  nowMs(): number;
  /** monotonic, ms, for durations */
  monotonicMs(): number;
}
