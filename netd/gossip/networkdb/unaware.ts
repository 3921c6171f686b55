import type { NetworkDbState } from './state.ts';

// The mirror of unheard.ts: our own attachments are gossiped once, too. A node of the reference that attaches asks every member
// it knows for its rows, at once; whom it does not ask it has not heard of, whose rows it drops until the next push/pull, half a
// minute later. So whoever attaches beside us and does not ask us is told, by a bulk sync that begins with our attachment. So is
// whoever may have taken us for dead: it has dropped our attachments, and drops what we say of them until it has heard that we live.

/** How long a node is given to ask. One that attaches asks one member after the other. */
const WAIT_MS = 2000;
const SPREAD_MS = 1000;
/** In larger clusters events are passed on so often that hardly one is missed, and peers of our own kind do not ask everybody. */
const MAX_CLUSTER = 32;
/** Nodes waited for at a time. */
const MAX_NODES = 64;

/** Notes that `node`, which is on `network`, may not know that we are. */
export function noteUnaware(state: NetworkDbState, node: string, network: string): void {
  const { unaware, io } = state;
  if (state.own.get(network)?.leaving !== false || state.activePeers > MAX_CLUSTER) return;
  const known = unaware.get(node);
  if (known !== undefined) known.networks.add(network);
  else if (unaware.size < MAX_NODES) {
    const askAtMs = io.nowMs + WAIT_MS + io.random() * SPREAD_MS;
    unaware.set(node, { networks: new Set([network]), askAtMs });
  }
}

/** The same of all nodes and networks: we were taken for dead. */
export function noteForgotten(state: NetworkDbState): void {
  for (const [node, theirs] of state.attachments) {
    if (state.peers.get(node)?.status !== 'active') continue;
    for (const [network, { leaving }] of theirs) if (!leaving) noteUnaware(state, node, network);
  }
}

/** Notes that `node` has asked us for the rows of `networks`: it knows that we are there. */
export function noteAsked(state: NetworkDbState, node: string, networks: readonly string[]): void {
  const known = state.unaware.get(node);
  for (const network of networks) known?.networks.delete(network);
}

/**
 * Syncs with the nodes that have not asked in time.
 *
 * @param request exchanges the rows of networks with one peer
 */
export function tellUnaware(state: NetworkDbState, request: (peer: string, networks: readonly string[]) => void): void {
  for (const [node, { networks, askAtMs }] of state.unaware) {
    if (askAtMs > state.io.nowMs) continue;
    state.unaware.delete(node);
    const theirs = state.attachments.get(node);
    const shared = [...networks].filter(
      (network) => state.own.get(network)?.leaving === false && theirs?.get(network)?.leaving === false,
    );
    if (shared.length > 0) request(node, shared);
  }
}
