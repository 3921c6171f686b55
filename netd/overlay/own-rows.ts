import type { DesiredAttachment } from '../desired.ts';
import type { Endpoint, OverlayPeer } from '../gossip/records.ts';
import { addressOf, type LocalEndpoint } from './endpoint.ts';
import { parseCidr } from './subnets.ts';

// What this node says to the others: which networks it is on, where its endpoints are, and what they answer to. The order on
// a way in and on a way out is that of spec dataplane §2.1 and §8.4.

/** What is said about one network; also what has been said, as long as the same gossip runs. */
export interface OwnRows {
  /** By endpoint id. */
  readonly peers: ReadonlyMap<string, OverlayPeer>;
  readonly endpoints: ReadonlyMap<string, Endpoint>;
}

export type OwnRowOp =
  | { readonly kind: 'attach'; readonly network: string }
  | { readonly kind: 'detach'; readonly network: string }
  | { readonly kind: 'publish-peer'; readonly network: string; readonly id: string; readonly peer: OverlayPeer }
  | { readonly kind: 'publish-endpoint'; readonly network: string; readonly id: string; readonly endpoint: Endpoint }
  | { readonly kind: 'withdraw-peer'; readonly network: string; readonly id: string }
  | { readonly kind: 'withdraw-endpoint'; readonly network: string; readonly id: string };

/**
 * What to say of a network whose endpoints are these. An endpoint has a row of its own from its join to its leave; what it
 * answers to is said while its attachment's binding says so.
 *
 * @param said what has been said before: an endpoint that is draining is not introduced for that
 */
export function ownRows(
  endpoints: readonly LocalEndpoint[],
  attachments: readonly DesiredAttachment[],
  vtep: string,
  said: OwnRows | undefined,
): OwnRows {
  const peers = new Map<string, OverlayPeer>();
  const rows = new Map<string, Endpoint>();
  for (const endpoint of endpoints) {
    if (endpoint.sandboxKey === undefined) continue;
    const { endpointId, address, mac } = endpoint;
    const ip = addressOf(endpoint);
    peers.set(endpointId, { ip, prefixLength: parseCidr(address)?.length ?? 32, mac, tunnelIp: vtep });
    const binding = bindingOf(endpoint, attachments);
    if (binding?.state === 'active') rows.set(endpointId, { ...binding.row, ip, disabled: false });
    if (binding?.state === 'draining' && said?.endpoints.has(endpointId)) {
      rows.set(endpointId, { ...binding.row, ip, disabled: true });
    }
  }
  return { peers, endpoints: rows };
}

/**
 * The way from what was said to what is to be said, by networks.
 *
 * Peers understand creation, deletion and `disabled`, nothing else: any other change is a deletion and a creation.
 */
export function planOwnRows(wanted: ReadonlyMap<string, OwnRows>, said: ReadonlyMap<string, OwnRows>): OwnRowOp[] {
  const ops: OwnRowOp[] = [];
  for (const network of new Set([...said.keys(), ...wanted.keys()])) {
    const now = wanted.get(network);
    const before = said.get(network);
    if (before === undefined) ops.push({ kind: 'attach', network });
    ops.push(...planOne(network, now ?? NOTHING, before ?? NOTHING));
    if (now === undefined) ops.push({ kind: 'detach', network });
  }
  return ops;
}

const NOTHING: OwnRows = { peers: new Map(), endpoints: new Map() };

function planOne(network: string, now: OwnRows, before: OwnRows): OwnRowOp[] {
  const ops: OwnRowOp[] = [];
  for (const [id, endpoint] of before.endpoints) {
    if (!isLegalChange(endpoint, now.endpoints.get(id))) ops.push({ kind: 'withdraw-endpoint', network, id });
  }
  for (const [id, peer] of before.peers) {
    if (!isSame(peer, now.peers.get(id))) ops.push({ kind: 'withdraw-peer', network, id });
  }
  for (const [id, peer] of now.peers) {
    if (!isSame(peer, before.peers.get(id))) ops.push({ kind: 'publish-peer', network, id, peer });
  }
  for (const [id, endpoint] of now.endpoints) {
    if (!isSame(endpoint, before.endpoints.get(id))) ops.push({ kind: 'publish-endpoint', network, id, endpoint });
  }
  return ops;
}

function isLegalChange(before: Endpoint, now: Endpoint | undefined): boolean {
  return isSame(before, now) || (now?.disabled === true && isSame({ ...before, disabled: true }, now));
}

/** Rows are made by one function here, so their fields come in one order. */
function isSame(a: Endpoint | OverlayPeer, b: Endpoint | OverlayPeer | undefined): boolean {
  return b !== undefined && JSON.stringify(a) === JSON.stringify(b);
}

/** An address belongs to one task at a time; should the manager be between two, the one that serves counts. */
function bindingOf({ networkId, address }: LocalEndpoint, attachments: readonly DesiredAttachment[]) {
  const bindings = attachments
    .filter((one) => one.networkId === networkId && one.address === address)
    .map(({ binding }) => binding);
  const order = ['active', 'draining', 'pending'] as const;
  return bindings.toSorted((a, b) => order.indexOf(a.state) - order.indexOf(b.state))[0];
}
