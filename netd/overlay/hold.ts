// Rows that vanish all at once are more often a silence of the gossip than the end of all endpoints. Rows too many cost
// nothing, rows too few cut connections: so for a while none is deleted (spec dataplane §8.3, last rule).

/** Why nothing is taken away for now. */
export type HoldReason =
  /** There is no gossip to say what is gone. */
  | 'no-gossip'
  /** Gossip began anew and has not heard everything yet. */
  | 'catching-up'
  /** The last other node of the network went, with all its rows, while endpoints here go on. */
  | 'suddenly-empty';

export interface Hold {
  readonly reason: HoldReason;
  readonly sinceMs: number;
}

/** Longest time rows are held, once there is gossip: longer than peers need to find each other again after a failure. */
export const HOLD_MS = 60_000;

export interface GossipFacts {
  readonly nowMs: number;
  readonly hasTables: boolean;
  /** The first bulk sync of this network has ended. */
  readonly isInSync: boolean;
  /** Other nodes that are on the network. */
  readonly others: number;
  /** Remote addresses at the last look, and now. */
  readonly before: number;
  readonly now: number;
}

/** @param hold what was held at the last look; at the start of netd, `no-gossip` */
export function nextHold(hold: Hold | undefined, facts: GossipFacts): Hold | undefined {
  const { nowMs } = facts;
  if (!facts.hasTables) return hold?.reason === 'no-gossip' ? hold : { reason: 'no-gossip', sinceMs: nowMs };
  if (hold?.reason === 'no-gossip') return nextHold({ reason: 'catching-up', sinceMs: nowMs }, facts);
  if (hold !== undefined) {
    const isOver = nowMs - hold.sinceMs >= HOLD_MS;
    const hasCaughtUp = hold.reason === 'catching-up' && facts.isInSync && facts.others > 0;
    return isOver || hasCaughtUp ? undefined : hold;
  }
  if (facts.before > 0 && facts.now === 0 && facts.others === 0) return { reason: 'suddenly-empty', sinceMs: nowMs };
  return undefined;
}
