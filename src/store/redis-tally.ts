// What the connections to Redis do, in numbers, for whoever wants to know (metrics): they count here as they go.

export interface RedisTally {
  /** Connections that stand now, the one for subscriptions among them. */
  open: number;
  /** Connections that were lost, or could not be made. */
  lost: number;
  /** Commands of looks whose answers are still to come. */
  pending: number;
  /** Batches of questions that were given up. */
  timeouts: number;
  /** The last answer of a batch of questions came `ms` after it was sent. */
  answered(ms: number): void;
}

export function createRedisTally(): RedisTally {
  return { open: 0, lost: 0, pending: 0, timeouts: 0, answered() {} };
}
