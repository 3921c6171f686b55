import type { Random } from '#base/random.ts';

/**
 * How much a manager is trusted to answer: the formulas of the weighted peer list (spec swarmkit-worker §3.8).
 */

/** What a success, a failure (negated) or a mention in a manager list is worth. */
export const PEER_WEIGHT = 10;

const SMOOTHING = 0.5;
const CLIP = 256;
/** Gives a manager with no credit left a small chance still, so that a recovered one is found again. */
const BIAS = 0.001;

/** An exponential moving average: W = ceil(clip(0.5 * clip(w) + 0.5 * W_old)), clip to [-256, 256]. */
export function observedWeight(old: number, observation: number): number {
  // `+ 0` turns the -0 that Math.ceil gives for (-1, 0) into 0
  return Math.ceil(clip(SMOOTHING * clip(observation) + (1 - SMOOTHING) * old)) + 0;
}

/** Picks an index with probability proportional to max(W, 0) + 0.001; -1 when there is nothing to pick from. */
export function pickWeighted(weights: readonly number[], random: Random): number {
  const shares = weights.map((weight) => Math.max(weight, 0) + BIAS);
  let left = random() * shares.reduce((sum, share) => sum + share, 0);
  for (const [index, share] of shares.entries()) {
    left -= share;
    if (left < 0) return index;
  }
  return weights.length - 1; // rounding may leave a crumb
}

function clip(value: number): number {
  return Math.min(CLIP, Math.max(-CLIP, value));
}
