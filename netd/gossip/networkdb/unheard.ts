import { uniformInt } from '#base/random.ts';
import type { Exchange } from './exchange.ts';
import type { Peer } from './peers.ts';
import type { NetworkDbState, OwnNetwork } from './state.ts';

// An attachment is gossiped once (spec gossip §14.4). In a small cluster some node misses it every fiftieth time, and then
// drops the rows of the node it does not know to be attached until a push/pull, half a minute later. The rows that came are
// a sign of it, as is a bulk sync that names the network: whoever it is about is asked.

/** The event is given this long to arrive by itself: rows and attachments travel in different packets. */
const WAIT_MS = 1000;
/** The same node is not asked about the same network again for this long: what it says next comes by the regular push/pull. */
const PAUSE_MS = 30_000;
/** Where asking failed, it is tried again after this long, and then after twice as long each time. */
const RETRY_MS = 3000;
/**
 * Nodes up to which each is asked after we have attached. Where several have just died, most copies of an event go to them, and
 * an attachment may stay unknown to everybody for a minute: only the node itself can tell. In larger clusters events are passed
 * on so often that somebody knows.
 */
const ASK_ALL_NODES = 32;
/** Push/pulls begun in one turn of that: the whole takes four seconds at the most. */
const ASK_ALL_STEP = 4;
/** Nodes waited for at a time. One answer tells of all nodes, so most will not have to be asked. */
const MAX_NODES = 64;

/** Notes a sign that `node` is on `network`, if that is news. */
export function noteSign(state: NetworkDbState, node: string, network: string): void {
  const { unheard, io } = state;
  if (state.own.get(network)?.leaving !== false || state.rosters.get(network)?.has(node)) return;
  if (state.peers.get(node)?.status !== 'active') return;
  const known = unheard.get(node);
  const askAtMs = io.nowMs + WAIT_MS;
  if (known === undefined) {
    if (unheard.size >= MAX_NODES) return;
    const forgetAtMs = askAtMs + PAUSE_MS;
    unheard.set(node, { networks: new Set([network]), askAtMs, retryMs: RETRY_MS, forgetAtMs });
  } else if (!known.networks.has(network)) {
    known.networks.add(network);
    known.askAtMs = Math.min(known.askAtMs, askAtMs);
  }
}

/** Asks one of the nodes that have not been heard of in time what it knows; the answer tells of the others as well. */
export function askUnheard(state: NetworkDbState, exchange: Exchange): void {
  const { io, unheard } = state;
  for (const [node, sign] of unheard) {
    const peer = state.peers.get(node);
    const isOpen = [...sign.networks].some(
      (network) => state.own.get(network)?.leaving === false && !state.rosters.get(network)?.has(node),
    );
    if (peer?.status !== 'active' || !isOpen || sign.forgetAtMs <= io.nowMs) unheard.delete(node);
    else if (sign.askAtMs <= io.nowMs) {
      sign.askAtMs = sign.forgetAtMs;
      exchange(peer.address, false, ({ ok }) => {
        if (ok) return;
        sign.askAtMs = io.nowMs + sign.retryMs;
        sign.retryMs *= 2;
      });
      return;
    }
  }
}

/**
 * Asks who else is on networks to which we have attached: whoever attached before us and was missed may send nothing. In a
 * small cluster each node not known to be there; in others anybody, until one has answered, where we are alone.
 */
export function lookAround(state: NetworkDbState, exchange: Exchange): void {
  const { io } = state;
  const due = [...state.own].filter(([, own]) => !own.leaving && own.lookAtMs <= io.nowMs);
  if (due.length > 0) {
    const others = [...state.peers.values()].filter((peer) => peer.status === 'active');
    for (const [, own] of due) own.lookAtMs = Number.POSITIVE_INFINITY;
    const rosters = due.map(([network]) => state.rosters.get(network));
    if (others.length <= ASK_ALL_NODES) {
      for (const { name } of others) if (rosters.some((roster) => !roster?.has(name))) state.toAsk.add(name);
    } else {
      const alone = due.filter((_, index) => (rosters[index]?.size ?? 0) <= 1).map(([, own]) => own);
      if (alone.length > 0) askAnybody(state, exchange, others, alone);
    }
  }
  askSome(state, exchange);
}

function askAnybody(state: NetworkDbState, exchange: Exchange, others: readonly Peer[], alone: OwnNetwork[]): void {
  const { io } = state;
  const peer = others[uniformInt(io.random, 0, others.length)];
  if (peer === undefined) return;
  exchange(peer.address, false, ({ ok }) => {
    if (!ok) for (const own of alone) own.lookAtMs = io.nowMs + RETRY_MS;
  });
}

/**
 * Asks the next of those that are all to be asked, and again who has not answered, until they are given up. A stream that hangs
 * takes ten seconds to fail: nobody waits for that.
 */
function askSome(state: NetworkDbState, exchange: Exchange): void {
  const { io, toAsk } = state;
  for (const name of [...toAsk].slice(0, ASK_ALL_STEP)) {
    toAsk.delete(name);
    const peer = state.peers.get(name);
    if (peer?.status !== 'active') continue;
    let answered = false;
    exchange(peer.address, false, ({ ok }) => {
      answered ||= ok;
    });
    io.timers.at(io.nowMs + RETRY_MS, () => {
      if (!answered) toAsk.add(name);
    });
  }
}
