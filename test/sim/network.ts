import type { Random } from '#base/random.ts';

/** How the simulated wires behave; may change while the simulation runs. */
export interface Wires {
  /** Share of datagrams that vanish. */
  loss: number;
  /** Share of datagrams that arrive twice. */
  duplicates: number;
  /** One-way delay: uniform between these, so that datagrams overtake each other. */
  minDelayMs: number;
  maxDelayMs: number;
  /** False cuts all streams but pings: rows that arrive then arrived by gossip alone. */
  streams: boolean;
  /** Group of each address; addresses of different groups do not hear each other. Missing means group 0. */
  groups: Map<string, number>;
}

export function goodWires(): Wires {
  return { loss: 0, duplicates: 0, minDelayMs: 0.2, maxDelayMs: 2, streams: true, groups: new Map() };
}

export function delayMs(wires: Wires, random: Random): number {
  return wires.minDelayMs + random() * (wires.maxDelayMs - wires.minDelayMs);
}

export function areConnected(wires: Wires, a: string, b: string): boolean {
  return (wires.groups.get(a) ?? 0) === (wires.groups.get(b) ?? 0);
}
