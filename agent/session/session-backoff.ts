/**
 * The bound of the random wait before the next session: 0.1, 0.3, 0.7, 1.5, 3.1, 6.3, 8, 8 … seconds after that many
 * failures in a row (spec swarmkit-worker §3.9). The wait itself is uniform below it.
 */
export function sessionBackoffBoundMs(failures: number): number {
  if (failures <= 0) return 0;
  return Math.min(LONGEST_MS, FIRST_MS * (2 ** Math.min(failures, 30) - 1));
}

const FIRST_MS = 100;
const LONGEST_MS = 8000;
