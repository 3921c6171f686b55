/** A source of randomness: a number in [0, 1), as Math.random gives. Passed in, so that a test can replay a seed. */
export type Random = () => number;

/** A whole number in [low, high). Returns `low` when the range is empty. */
export function uniformInt(random: Random, low: number, high: number): number {
  if (high <= low) return low;
  return low + Math.floor(random() * (high - low));
}

/** mulberry32: a small seeded generator, good enough to choose delays and test cases; never for keys. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
