import { type Random, seededRandom, uniformInt } from '#base/random.ts';

/** The reference's broadcasts among few nodes: 8 copies each, to random nodes (spec gossip §10.11, §11). */
const COPIES = 8;
const FANOUT = 3;

/**
 * How many of so many broadcasts do not reach every node by gossip alone, with the reference's parameters and on wires
 * that lose nothing: whoever has one sends it to three random others a round until it has sent it eight times.
 */
export function referenceMisses(seed: number, nodes: number, broadcasts: number): number {
  const random = seededRandom(seed);
  let misses = 0;
  for (let broadcast = 0; broadcast < broadcasts; broadcast++) if (reached(random, nodes) < nodes) misses++;
  return misses;
}

function reached(random: Random, nodes: number): number {
  const left = new Map([[0, COPIES]]);
  const heard = new Set([0]);
  while (left.size > 0) {
    for (const [node, copies] of [...left]) {
      const targets = othersOf(random, nodes, node, Math.min(FANOUT, copies));
      if (copies <= targets.length) left.delete(node);
      else left.set(node, copies - targets.length);
      for (const target of targets) {
        if (heard.has(target)) continue;
        heard.add(target);
        left.set(target, COPIES);
      }
    }
  }
  return heard.size;
}

function othersOf(random: Random, nodes: number, self: number, count: number): readonly number[] {
  const picked = new Set<number>();
  while (picked.size < count) {
    const other = uniformInt(random, 0, nodes);
    if (other !== self) picked.add(other);
  }
  return [...picked];
}
