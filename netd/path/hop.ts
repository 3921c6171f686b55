/** Where a hop is looked at. */
export type HopPlace = 'container' | 'overlay' | 'host' | 'gossip' | 'target';

/**
 * One step of a packet, and what was found there. `ok` as it has to be; `wrong` packets end here or go astray; `note` worth
 * knowing, and no reason why nothing arrives.
 */
export interface Hop {
  readonly step: HopStep;
  readonly place: HopPlace;
  readonly verdict: 'ok' | 'note' | 'wrong';
  /** What was found, in words. */
  readonly found: string;
  /** What to do about it; null for a hop that is not wrong. */
  readonly mend: string | null;
}

/** The steps in the order of the way. */
export const HOP_STEPS = [
  'name',
  'network',
  'service',
  'interface',
  'route',
  'neighbour',
  'namespace',
  'port',
  'bridge',
  'routing',
  'vxlan',
  'row',
  'neighbour-row',
  'forwarding-row',
  'underlay',
  'node',
  'target-port',
  'target-interface',
] as const;
export type HopStep = (typeof HOP_STEPS)[number];

/** The way to one address. */
export interface Walk {
  readonly address: string;
  /** What the address is called on that network. */
  readonly names: readonly string[];
  /** Name of the network it goes through; null if none does. */
  readonly network: string | null;
  readonly hops: readonly Hop[];
}

/** What `netd inspect path` shows. */
export interface PathReport {
  /** The container it begins at, and where that is on its networks. */
  readonly from: {
    readonly name: string;
    readonly places: readonly { readonly network: string; readonly address: string }[];
  };
  readonly to: string;
  /** How the name becomes addresses; null if an address was asked for. */
  readonly name: Hop | null;
  readonly walks: readonly Walk[];
  /** Addresses of the name that were not walked to: there are too many. */
  readonly notWalked: readonly string[];
}

/** The first thing that is wrong; undefined if nothing is. */
export function firstFault({
  name,
  walks,
}: PathReport): { readonly hop: Hop; readonly walk: Walk | undefined } | undefined {
  if (name?.verdict === 'wrong') return { hop: name, walk: undefined };
  for (const walk of walks) {
    const hop = walk.hops.find(({ verdict }) => verdict === 'wrong');
    if (hop !== undefined) return { hop, walk };
  }
  return undefined;
}

export function ok(step: HopStep, place: HopPlace, found: string): Hop {
  return { step, place, verdict: 'ok', found, mend: null };
}

export function note(step: HopStep, place: HopPlace, found: string): Hop {
  return { step, place, verdict: 'note', found, mend: null };
}

export function wrong(step: HopStep, place: HopPlace, found: string, mend: string): Hop {
  return { step, place, verdict: 'wrong', found, mend };
}
