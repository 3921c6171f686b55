import { uniformInt } from '#base/random.ts';
import type { Address } from '../wire/swim-message.ts';
import { askUntilHeard } from './ask-again.ts';
import type { BulkSyncs } from './bulk-sync.ts';
import type { Exchange } from './exchange.ts';
import { announceHere } from './node-events.ts';
import type { Peer } from './peers.ts';
import { goneCount, type NetworkDbState } from './state.ts';

// Finding the cluster, and finding it again (spec gossip §10.3, §14.13).

const RECONNECT_INTERVAL_MS = 1000;
/** The reference dials one failed node a second for a day; we ask a node that stays away less and less often. */
const MAX_REDIAL_MS = 30_000;
/** Bootstrap peers are looked for once a minute, or as soon as we are quite alone. */
const REJOIN_INTERVAL_MS = 60_000;
const ALONE_REJOIN_INTERVAL_MS = 10_000;
/** A returned node is asked what it has after this long: one of the reference that had given us up asks us at once. */
const RETURN_WAIT_MS = 1000;
/** And within this time after that, not by everybody at once. */
const RETURN_SPREAD_MS = 1000;

export class Healing {
  readonly #state: NetworkDbState;
  readonly #bulk: BulkSyncs;
  readonly #exchange: Exchange;
  #bootstrap: readonly Address[] = [];
  #joining = false;
  #reportedUnreachable = false;
  #nextRejoinMs = Number.POSITIVE_INFINITY;

  constructor(state: NetworkDbState, bulk: BulkSyncs, exchange: Exchange) {
    this.#state = state;
    this.#bulk = bulk;
    this.#exchange = exchange;
    state.io.every(RECONNECT_INTERVAL_MS, () => {
      this.#reconnectTick();
      this.#rejoinTick();
    });
  }

  /** Joins the cluster through any of `addresses`, now and whenever it is lost. */
  join(addresses: readonly Address[]): void {
    this.#bootstrap = addresses;
    this.#tryJoin();
  }

  /** A node we had given up is back: what we dropped has to be learnt again. */
  returned(peer: Peer): void {
    const { io, peers } = this.#state;
    // Where one comes back, a partition may have healed: the others are worth a dial now.
    for (const other of peers.values()) if (other.status === 'failed') other.nextDialMs = io.nowMs;
    const sinceMs = io.nowMs;
    io.timers.at(sinceMs + RETURN_WAIT_MS + io.random() * RETURN_SPREAD_MS, () => {
      if (peer.status !== 'active') return;
      this.#exchange(peer.address, false, (result) => {
        if (result.ok) this.#syncWith(peer, sinceMs);
      });
    });
  }

  #tryJoin(): void {
    const { io } = this.#state;
    if (this.#joining) return;
    this.#nextRejoinMs = io.nowMs + ALONE_REJOIN_INTERVAL_MS;
    if (this.#bootstrap.length === 0) return;
    this.#joining = true;
    let left = this.#bootstrap.length;
    let joined = 0;
    let reason = '';
    // All at once: a manager that does not answer must not hold up those that do.
    for (const address of this.#bootstrap) {
      this.#exchange(address, true, (result) => {
        if (result.ok) joined++;
        else reason = result.reason;
        left--;
        if (left === 0) this.#joinEnded(joined, reason);
      });
    }
  }

  #joinEnded(joined: number, reason: string): void {
    const { io } = this.#state;
    this.#joining = false;
    if (joined === 0) {
      // Said once, not every ten seconds, until it changes.
      if (!this.#reportedUnreachable) io.fact({ kind: 'unreachable', addresses: this.#bootstrap, reason });
      this.#reportedUnreachable = true;
      return;
    }
    this.#reportedUnreachable = false;
    io.fact({ kind: 'joined', peers: joined });
    announceHere(this.#state);
    // The push/pull told who is where; the rows come only by bulk sync, and half a minute is long to wait for them.
    const networks = [...this.#state.own].filter(([, own]) => !own.leaving).map(([network]) => network);
    this.#bulk.syncEach(networks, 2, () => undefined);
    for (const network of networks) askUntilHeard(this.#state, this.#bulk, network);
  }

  #rejoinTick(): void {
    const { io, activePeers } = this.#state;
    if (io.nowMs < this.#nextRejoinMs) return;
    this.#nextRejoinMs = io.nowMs + (activePeers <= 1 ? ALONE_REJOIN_INTERVAL_MS : REJOIN_INTERVAL_MS);
    const managers = new Set(this.#bootstrap.map((address) => address.ip));
    for (const peer of this.#state.peers.values()) {
      if (peer.status === 'active' && managers.has(peer.address.ip)) return;
    }
    this.#tryJoin();
  }

  #reconnectTick(): void {
    const { io, peers } = this.#state;
    if (goneCount(this.#state) === 0) return;
    const due: Peer[] = [];
    for (const peer of peers.values()) if (peer.status === 'failed' && peer.nextDialMs <= io.nowMs) due.push(peer);
    const peer = due[uniformInt(io.random, 0, due.length)];
    if (peer === undefined) return;
    peer.dials++;
    const waitMs = Math.min(MAX_REDIAL_MS, RECONNECT_INTERVAL_MS * 2 ** Math.min(peer.dials, 10));
    peer.nextDialMs = io.nowMs + waitMs * (0.5 + io.random() / 2);
    this.#exchange(peer.address, true, (result) => {
      if (!result.ok) return;
      announceHere(this.#state);
      this.#syncWith(peer, io.nowMs);
    });
  }

  /** Exchanges all rows with that peer, but for networks whose rows have gone both ways since then. */
  #syncWith(peer: Peer, sinceMs: number): void {
    if (peer.status !== 'active') return;
    const theirs = this.#state.attachments.get(peer.name);
    const { synced } = peer;
    const isSynced = (network: string) =>
      synced !== undefined && synced.atMs >= sinceMs && synced.networks.includes(network);
    const shared = [...this.#state.own.keys()].filter(
      (network) => theirs?.get(network)?.leaving === false && !isSynced(network),
    );
    if (shared.length > 0) this.#bulk.request(peer.name, shared, () => undefined);
  }
}
