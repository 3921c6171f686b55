import { encodeEnvelope, encodeNodeEvent } from '../wire/networkdb-encode.ts';
import type { LamportTime, NodeEvent } from '../wire/networkdb-message.ts';
import type { Address } from '../wire/swim-message.ts';
import { FORGET_NODE_MS } from './constants.ts';
import type { Peer } from './peers.ts';
import { goneCount, leaveRoster, type NetworkDbState } from './state.ts';

// Who is there, as NetworkDB sees it (spec gossip §14.2, §14.3).

/** Failed and left nodes remembered; a day of a cluster that restarts all its 5,000 nodes three times. */
const MAX_REMEMBERED = 16_384;

/** memberlist says a node is up. True if we had given it up before. */
export function memberUp(state: NetworkDbState, name: string, address: Address): boolean {
  // Ourselves before a restart: nobody else can be there, and peers may not have noticed yet.
  if (addressKey(address) === addressKey(state.config.address)) return false;
  const known = state.peers.get(name);
  if (known !== undefined) {
    known.address = address;
    if (known.status === 'active') return false;
    state.latestAt.set(addressKey(address), name);
    revive(state, known);
    return true;
  }
  // The same address under another name: that process is gone, this is its successor.
  let displaced: string | undefined;
  const other = state.peers.get(state.latestAt.get(addressKey(address)) ?? '');
  if (other?.status === 'active') {
    // Only one that membership holds for alive may turn out to be the one that lives.
    other.displacedBy = name;
    displaced = other.name;
  }
  if (other !== undefined && other.status !== 'left') retire(state, other, 'left');
  state.latestAt.set(addressKey(address), name);
  state.peers.set(name, {
    name,
    address,
    status: 'active',
    time: 0n,
    forgetAtMs: Number.POSITIVE_INFINITY,
    synced: undefined,
    dials: 0,
    nextDialMs: 0,
    displacedBy: undefined,
    displaced,
  });
  state.activePeers++;
  return false;
}

/**
 * memberlist says a node is gone. By its own word it has left, even where its LEAVE event got lost or was overtaken: nobody
 * needs to look for it (the reference does, spec gossip §14.2). Returns the node it had displaced from its address, if that
 * one turns out to be the one that lives: news of a predecessor may come late.
 */
export function memberDown(state: NetworkDbState, name: string, status: 'failed' | 'left'): Peer | undefined {
  const peer = state.peers.get(name);
  if (peer === undefined) return undefined;
  peer.displacedBy = undefined;
  if (peer.status === 'active') retire(state, peer, status);
  if (peer.displaced === undefined) return undefined;
  const predecessor = state.peers.get(peer.displaced);
  peer.displaced = undefined;
  if (predecessor?.displacedBy !== name) return undefined;
  revive(state, predecessor);
  state.latestAt.set(addressKey(predecessor.address), predecessor.name);
  return predecessor;
}

/** A node event from a peer, with its bytes so that it can be passed on as it came. */
export function onNodeEvent(state: NetworkDbState, event: NodeEvent, bytes: Buffer): void {
  if (!state.networkClock.witness(event.time)) return;
  const peer = state.peers.get(event.node);
  // A LEAVE in our own name is a mistake or a forgery: we know best whether we are leaving.
  if (peer === undefined || event.node === state.config.name || peer.time > event.time) return;
  // A node that tells its state between saying LEAVE and going has told the time of its LEAVE.
  if (peer.time === event.time && event.type !== 'leave') return;
  peer.time = event.time;
  if (event.type !== 'leave' || peer.status !== 'active') return;
  retire(state, peer, 'left');
  queueNodeEvent(state, bytes);
}

/** Tells the cluster that we are here. */
export function announceHere(state: NetworkDbState): void {
  // Who heard it before our LEAVE would take that for old.
  if (state.leaveTime === undefined) announce(state, 'join', state.networkClock.increment());
}

/** Tells the cluster that we are going. Returns the key it has in the queue. */
export function announceLeave(state: NetworkDbState): string {
  state.leaveTime = state.networkClock.increment();
  return announce(state, 'leave', state.leaveTime);
}

/** The time a push/pull of ours bears: that of the network clock, but never so late that our LEAVE seems old beside it. */
export function toldTime({ networkClock, leaveTime }: NetworkDbState): LamportTime {
  return leaveTime === undefined ? networkClock.time : leaveTime - 1n;
}

/** Forgets nodes that have been away for a day. */
export function forgetPeers(state: NetworkDbState): void {
  if (goneCount(state) === 0) return;
  for (const peer of state.peers.values()) {
    if (peer.status !== 'active' && peer.forgetAtMs <= state.io.nowMs) forget(state, peer);
  }
}

function announce(state: NetworkDbState, type: NodeEvent['type'], time: LamportTime): string {
  return queueNodeEvent(state, encodeNodeEvent({ type, time, node: state.config.name }));
}

function queueNodeEvent(state: NetworkDbState, inner: Buffer): string {
  // Node events never displace one another.
  const key = `${state.nodeEvents++}`;
  state.nodeQueue.put(key, encodeEnvelope('nodeEvent', inner));
  return key;
}

function revive(state: NetworkDbState, peer: Peer): void {
  peer.status = 'active';
  peer.displacedBy = undefined;
  peer.dials = 0;
  state.activePeers++;
}

/** Everything a node said goes with it, at once and without tombstones. */
function retire(state: NetworkDbState, peer: Peer, status: 'failed' | 'left'): void {
  if (peer.status === 'active') state.activePeers--;
  peer.status = status;
  peer.forgetAtMs = state.io.nowMs + FORGET_NODE_MS;
  peer.nextDialMs = state.io.nowMs;
  for (const network of state.attachments.get(peer.name)?.keys() ?? []) leaveRoster(state, network, peer.name);
  state.attachments.delete(peer.name);
  state.rows.dropOwnedBy(peer.name);
  if (goneCount(state) <= MAX_REMEMBERED) return;
  for (const other of state.peers.values()) {
    if (other.status === 'active') continue;
    forget(state, other);
    return;
  }
}

function forget(state: NetworkDbState, peer: Peer): void {
  state.peers.delete(peer.name);
  const key = addressKey(peer.address);
  if (state.latestAt.get(key) === peer.name) state.latestAt.delete(key);
}

function addressKey(address: Address): string {
  return `${address.ip} ${address.port}`;
}
