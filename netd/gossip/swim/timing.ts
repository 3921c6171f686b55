// The arithmetic of SWIM and Lifeguard as memberlist 0.4 does it with Docker's configuration (spec gossip §9, §10.7).

export const PROBE_INTERVAL_MS = 1000;
export const PROBE_TIMEOUT_MS = 500;
export const INDIRECT_CHECKS = 3;
/** Of membership and of NetworkDB. */
export const GOSSIP_INTERVAL_MS = 200;
export const GOSSIP_FANOUT = 3;
/** A dead node still hears gossip this long, so that it can object; then it is forgotten. */
export const DEAD_GOSSIP_MS = 30_000;
export const STREAM_TIMEOUT_MS = 10_000;
/** Local health: 0 is well, 7 is as patient with others as we get. */
export const MAX_HEALTH_SCORE = 7;

const RETRANSMIT_MULT = 4;
const SUSPICION_MULT = 4;
const SUSPICION_MAX_MULT = 6;
const PUSH_PULL_INTERVAL_MS = 30_000;
const PUSH_PULL_SCALE_FROM = 32;

/** How often the reference sends one broadcast: 4 * ceil(log10(n + 1)). */
export function retransmitLimit(nodes: number): number {
  return RETRANSMIT_MULT * Math.ceil(Math.log10(nodes + 1));
}

/**
 * How often we send one: at least as often as the reference, and often enough that all nodes hear it.
 *
 * A broadcast each node passes on r times misses a given node with a chance of about e^-r, so some node with n * e^-r.
 * r = ln(n) + 12 makes that one in 160,000 whatever n is; the reference's 8 copies among 20 nodes make it one in 150.
 * Two for each other node are enough: the walk gives everybody one before anybody a second, and the first may be lost, or
 * go to one that is dead and not yet known to be.
 */
export function transmitBudget(nodes: number): number {
  const enough = Math.ceil(Math.log(Math.max(1, nodes))) + 12;
  return Math.max(retransmitLimit(nodes), Math.min(2 * (nodes - 1), enough));
}

/** Rounds of three copies after which a table event is in no need of more, in a cluster of any size we may meet. */
const ENOUGH_ROUNDS = 8;

/**
 * Rounds in which we tell a table event to three nodes each: as many as the reference, which counts rounds and not copies here,
 * up to eight. That is 24 copies, and by the reckoning above one event in five million misses somebody among 5,000 nodes; the
 * reference's 48 cost every node twice as much, and tell nobody anything new.
 */
export function tableRounds(nodes: number): number {
  return Math.min(retransmitLimit(nodes), ENOUGH_ROUNDS);
}

export interface SuspicionLimits {
  readonly minMs: number;
  readonly maxMs: number;
  /** Independent accusers after which the wait is the shortest; 0 where there are too few nodes to ask. */
  readonly confirmations: number;
}

/** min = 4 * max(1, log10(n)) s, max = 6 * min, with the scale cut to three decimals as Go does. */
export function suspicionLimits(nodes: number): SuspicionLimits {
  const scale = Math.max(1, Math.log10(Math.max(1, nodes)));
  const minMs = (SUSPICION_MULT * Math.floor(scale * 1000) * PROBE_INTERVAL_MS) / 1000;
  const wanted = SUSPICION_MULT - 2;
  return { minMs, maxMs: SUSPICION_MAX_MULT * minMs, confirmations: nodes - 2 < wanted ? 0 : wanted };
}

/** The whole wait after c of k confirmations: max - log(c + 1) / log(k + 1) * (max - min), never below min. */
export function suspicionTimeoutMs(limits: SuspicionLimits, confirmed: number): number {
  if (limits.confirmations < 1) return limits.minMs;
  const share = Math.log(confirmed + 1) / Math.log(limits.confirmations + 1);
  return Math.max(limits.minMs, Math.floor(limits.maxMs - share * (limits.maxMs - limits.minMs)));
}

/** Time between two push/pulls: 30 s up to 32 nodes, then one more 30 s for each doubling. */
export function pushPullPeriodMs(nodes: number): number {
  if (nodes <= PUSH_PULL_SCALE_FROM) return PUSH_PULL_INTERVAL_MS;
  return PUSH_PULL_INTERVAL_MS * (Math.ceil(Math.log2(nodes) - Math.log2(PUSH_PULL_SCALE_FROM)) + 1);
}
