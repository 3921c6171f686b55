import { NetdError } from '#base/errors.ts';
import type { Random } from '#base/random.ts';
import { observedWeight, PEER_WEIGHT, pickWeighted } from './weights.ts';

/** A manager as a worker knows it. */
export interface RemotePeer {
  /** Empty for an address given by hand, until a manager list names it. */
  readonly nodeId: string;
  /** `host:port` */
  readonly addr: string;
}

/** A manager with the weight a session message gives it. */
export interface WeightedPeer extends RemotePeer {
  readonly weight: number;
}

/** Most managers kept: swarms have three to seven, and a list from the network must not grow without end. */
export const MAX_REMOTES = 256;

/** The managers this node may turn to, each weighted by how it did lately (spec swarmkit-worker §3.8). */
export class Remotes {
  readonly #random: Random;
  readonly #known = new Map<string, { readonly peer: RemotePeer; weight: number }>();
  readonly #listeners = new Set<(peers: readonly RemotePeer[]) => void>();

  constructor(random: Random, peers: readonly RemotePeer[] = []) {
    this.#random = random;
    for (const peer of peers) this.#observe(peer, PEER_WEIGHT);
  }

  /**
   * Counts one experience with a manager: `PEER_WEIGHT` for a good one, `-PEER_WEIGHT` for a bad one. A bad one does not
   * make an unknown manager known: the session that ends because a manager was removed must not bring it back.
   */
  observe(peer: RemotePeer, weight: number): void {
    if (this.#observe(peer, weight)) this.#changed();
  }

  /**
   * Takes a session message's manager list: every manager in it gains its weight, every other one is forgotten. A list
   * without any usable address says nothing and changes nothing (spec swarmkit-worker §3.7).
   */
  setSeen(managers: readonly WeightedPeer[]): void {
    const usable = managers.filter((manager) => manager.addr !== '').slice(0, MAX_REMOTES);
    if (usable.length === 0) return;
    const seen = new Set(usable.map(keyOf));
    let changed = false;
    for (const key of this.#known.keys()) if (!seen.has(key)) changed = this.#known.delete(key) || changed;
    for (const manager of usable) changed = this.#observe(manager, manager.weight) || changed;
    if (changed) this.#changed();
  }

  /**
   * Draws a manager by weight, preferably not the one at `excluding` (it is drawn only when it is all there is).
   *
   * @throws NetdError `no-manager` when none is known
   */
  select(excluding?: string): RemotePeer {
    const all = [...this.#known.values()];
    const others = all.filter(({ peer }) => peer.addr !== excluding);
    const candidates = others.length > 0 ? others : all;
    const picked =
      candidates[
        pickWeighted(
          candidates.map(({ weight }) => weight),
          this.#random,
        )
      ];
    if (picked) return picked.peer;
    throw new NetdError('no-manager', 'no manager of the swarm is known', {
      mend: 'Leave and join again with the address of a manager.',
    });
  }

  /** Every known manager, by node id and address. */
  peers(): readonly RemotePeer[] {
    return [...this.#known.values()]
      .map(({ peer }) => peer)
      .sort((a, b) => compare(a.nodeId, b.nodeId) || compare(a.addr, b.addr));
  }

  /** Every known manager with its present weight, for a person to look at. */
  weights(): readonly WeightedPeer[] {
    return [...this.#known.values()].map(({ peer, weight }) => ({ ...peer, weight }));
  }

  /** Calls `listener` with the new list whenever the set of managers changes (not their weights). Returns the undo. */
  onChange(listener: (peers: readonly RemotePeer[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** True if the peer is new. */
  #observe({ nodeId, addr }: RemotePeer, weight: number): boolean {
    const key = keyOf({ nodeId, addr });
    const known = this.#known.get(key);
    if (known) known.weight = observedWeight(known.weight, weight);
    else if (weight > 0 && this.#known.size < MAX_REMOTES) {
      this.#known.set(key, { peer: Object.freeze({ nodeId, addr }), weight: observedWeight(0, weight) });
      return true;
    }
    return false;
  }

  #changed(): void {
    const peers = this.peers();
    for (const listener of this.#listeners) listener(peers);
  }
}

/** A manager that moves to another address is another entry. */
function keyOf({ nodeId, addr }: RemotePeer): string {
  return `${nodeId}\n${addr}`;
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
