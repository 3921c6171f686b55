import { jitteredBackoffMs } from '#base/backoff.ts';
import { type Random, uniformInt } from '#base/random.ts';

/** When a certificate is renewed (spec swarmkit-worker §1.7). Times are milliseconds since the epoch. */

export interface RenewalSituation {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly nowMs: number;
  /** True once there was an attempt, good or bad, since the process began. */
  readonly attempted: boolean;
  /** Failed attempts in a row. */
  readonly failures: number;
  /** The manager has asked for a renewal that has not succeeded yet. */
  readonly forced: boolean;
}

/** The part of the lifetime in which the renewal falls. */
const WINDOW = { from: 0.5, to: 0.8 };
/** Pause after the n-th failure in a row: uniform [0, 5 s + 5 s * 2^(n-1)), at most an hour. */
const BACKOFF = { firstMs: 5_000, stepMs: 5_000, maxMs: 60 * 60 * 1_000 };
/**
 * Shortest pauses after an attempt that failed, and after one that succeeded. The formula alone goes on without any pause once
 * the drawn moment has passed, which after a success means that this host's clock is ahead of the manager's.
 */
const FLOOR_MS = { failed: 5_000, succeeded: 5 * 60_000 };
const MINUTE_MS = 60_000;

/** A moment in the renewal window, drawn in whole minutes. */
export function drawRenewalMs(notBeforeMs: number, notAfterMs: number, random: Random): number {
  const minutes = (notAfterMs - notBeforeMs) / MINUTE_MS;
  const low = Math.trunc(minutes * WINDOW.from);
  const high = Math.trunc(minutes * WINDOW.to);
  return notBeforeMs + uniformInt(random, low, high) * MINUTE_MS;
}

/** When to try next; in the past when it is time already. */
export function nextAttemptMs(situation: RenewalSituation, random: Random): number {
  const { notBeforeMs, notAfterMs, nowMs, attempted, failures, forced } = situation;
  const backoffMs = jitteredBackoffMs(failures, BACKOFF, random);
  if (forced || nowMs > notAfterMs) return nowMs + backoffMs;
  const drawnMs = drawRenewalMs(notBeforeMs, notAfterMs, random);
  if (!attempted) return drawnMs;
  return Math.max(drawnMs, nowMs + (failures === 0 ? FLOOR_MS.succeeded : FLOOR_MS.failed + backoffMs));
}
