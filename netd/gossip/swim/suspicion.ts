import type { Timer } from '../timers.ts';
import { type SuspicionLimits, suspicionTimeoutMs } from './timing.ts';

/**
 * One suspected node: the more nodes accuse it, the shorter we wait (Lifeguard, spec gossip §10.7).
 */
export interface Suspicion {
  readonly limits: SuspicionLimits;
  readonly startedMs: number;
  /** Everybody who accused, the first included; each counts once. */
  readonly accusers: Set<string>;
  confirmed: number;
  timer: Timer;
}

/** Counts one more accuser. Returns when to give up on the node, or undefined if the accuser is no news. */
export function confirm(suspicion: Suspicion, from: string): number | undefined {
  if (suspicion.confirmed >= suspicion.limits.confirmations || suspicion.accusers.has(from)) return undefined;
  suspicion.accusers.add(from);
  suspicion.confirmed++;
  return suspicion.startedMs + suspicionTimeoutMs(suspicion.limits, suspicion.confirmed);
}
