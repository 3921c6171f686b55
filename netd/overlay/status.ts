import type { Finding } from './checks.ts';
import type { Drift, DriftCounts } from './drift.ts';
import type { LocalEndpoint } from './endpoint.ts';
import type { OverlayNetwork } from './network.ts';
import type { OwnRows } from './own-rows.ts';
import type { PassRecord } from './pass-record.ts';
import type { Refusal } from './winners.ts';

/** What `netd inspect networks|drift` shows of the overlays: plain values, made on demand. */
export interface OverlaysStatus {
  readonly hasGossip: boolean;
  readonly networks: readonly NetworkStatus[];
  readonly drift: {
    readonly open: readonly Drift[];
    /** Latest last. */
    readonly mended: readonly Drift[];
    readonly total: number;
    readonly counts: DriftCounts;
  };
  /** Passes since the start, and those of them that the kernel refused part of. */
  readonly passes: { readonly done: number; readonly failed: number };
}

export interface NetworkStatus {
  readonly id: string;
  readonly name: string;
  /** `waiting`: its first pass is to come; `failed`: the kernel refused part of it; `refused`: it cannot be built here. */
  readonly state: 'waiting' | 'ready' | 'failed' | 'refused';
  /** Why it is refused or failed. */
  readonly reason: string | undefined;
  readonly namespace: string;
  /** Bytes; undefined while it is refused. */
  readonly mtu: number | undefined;
  readonly internal: boolean;
  readonly subnets: readonly SubnetStatus[];
  readonly endpoints: readonly EndpointStatus[];
  readonly peers: readonly PeerStatus[];
  readonly rows: RowsStatus;
  readonly findings: readonly Finding[];
  /** Why rows that vanished are not taken away yet. */
  readonly hold: string | undefined;
  readonly adoption: OverlayNetwork['adoption'];
  readonly lastPass: PassRecord | undefined;
  /** Differences found since it is here. */
  readonly drifted: number;
}

export interface SubnetStatus {
  readonly subnet: string;
  readonly gateway: string;
  readonly vni: number;
  readonly bridge: LinkStatus;
  readonly vxlan: LinkStatus;
}

export interface LinkStatus {
  readonly name: string;
  /** As the last pass left it. */
  readonly state: 'up' | 'down' | 'absent';
}

export interface EndpointStatus extends LocalEndpoint {
  /** The end of its pair that is a port of the bridge; undefined before the join. */
  readonly port: LinkStatus | undefined;
  readonly isPeerPublished: boolean;
  readonly endpointRow: 'none' | 'active' | 'disabled';
}

/** Another host of the network. */
export interface PeerStatus {
  readonly vtep: string;
  /** Gossip names that speak for it. */
  readonly owners: readonly string[];
  readonly addresses: number;
}

export interface RowsStatus {
  /** Rows of others that gossip has. */
  readonly known: number;
  /** Remote addresses that are to have a way. */
  readonly wanted: number;
  /** Neighbour rows the kernel has, as far as is known. */
  readonly programmed: number;
  /** Rows not acted upon, by reason; our own are not counted. */
  readonly refused: Readonly<Partial<Record<Refusal | 'unreadable', number>>>;
  /** Addresses that several hosts claim; the first claim is followed. Bounded by `MOST_CONTESTED`. */
  readonly contested: readonly { readonly ip: string; readonly claims: readonly string[] }[];
}

/** A duplicate or two is a mistake of one, a thousand are a mistake of the network: nobody reads all. */
const MOST_CONTESTED = 50;

export function networkStatus(
  network: OverlayNetwork,
  path: string,
  endpoints: readonly LocalEndpoint[],
  said: OwnRows | undefined,
  unreadable: number,
  drifted: number,
): NetworkStatus {
  const { desired, last, observed } = network;
  const view = network.view();
  const link = (name: string): LinkStatus => {
    const has = observed?.links.get(name);
    return { name, state: has === undefined ? 'absent' : has.isUp ? 'up' : 'down' };
  };
  const ports = new Map(typeof view === 'string' ? [] : view.ports.map((port) => [port.endpoint.endpointId, port]));
  return {
    id: desired.id,
    name: desired.name,
    ...stateOf(network),
    namespace: path,
    mtu: typeof view === 'string' ? undefined : view.mtu,
    internal: desired.internal,
    subnets:
      typeof view === 'string'
        ? []
        : view.segments.map(({ subnet, gateway, bridge, vxlan }) => {
            return { subnet, gateway, vni: vxlan.vni, bridge: link(bridge.name), vxlan: link(vxlan.name) };
          }),
    endpoints: endpoints.map((endpoint) => {
      const port = ports.get(endpoint.endpointId);
      const row = said?.endpoints.get(endpoint.endpointId);
      return {
        ...endpoint,
        port: port && link(port.inner.name),
        isPeerPublished: said?.peers.has(endpoint.endpointId) ?? false,
        endpointRow: row === undefined ? 'none' : row.disabled ? 'disabled' : 'active',
      };
    }),
    peers: peersOf(network),
    rows: rowsOf(network, unreadable),
    findings: [...network.findings, ...duplicates(network)],
    hold: network.hold?.reason,
    adoption: network.adoption,
    lastPass: last,
    drifted,
  };
}

function stateOf({ refusal, last }: OverlayNetwork): Pick<NetworkStatus, 'state' | 'reason'> {
  if (refusal !== undefined) return { state: 'refused', reason: refusal };
  if (last === undefined) return { state: 'waiting', reason: undefined };
  const failure = last.linkFailure ?? last.failures[0]?.reason;
  return failure === undefined ? { state: 'ready', reason: undefined } : { state: 'failed', reason: failure };
}

function peersOf({ winners }: OverlayNetwork): PeerStatus[] {
  const peers = new Map<string, { owners: Set<string>; addresses: number }>();
  for (const { vtep, row } of winners.winners()) {
    const peer = peers.get(vtep) ?? { owners: new Set(), addresses: 0 };
    peers.set(vtep, peer);
    peer.owners.add(row.owner);
    peer.addresses++;
  }
  const sorted = [...peers].sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([vtep, { owners, addresses }]) => ({ vtep, owners: [...owners].sort(), addresses }));
}

function rowsOf({ winners, rows }: OverlayNetwork, unreadable: number): RowsStatus {
  const refused: Partial<Record<Refusal | 'unreadable', number>> = {};
  for (const reason of winners.refused().values()) {
    if (reason !== 'own-vtep') refused[reason] = (refused[reason] ?? 0) + 1;
  }
  if (unreadable > 0) refused.unreadable = unreadable;
  const contested = winners.contested().slice(0, MOST_CONTESTED);
  return {
    known: winners.othersRows(),
    wanted: winners.size,
    programmed: rows.size,
    refused,
    contested: contested.map(({ ip, rows: claims }) => ({
      ip,
      claims: claims.map(({ owner, value }) => `${value.mac} at ${value.tunnelIp} (node ${owner})`),
    })),
  };
}

function duplicates({ winners }: OverlayNetwork): Finding[] {
  return winners
    .contested()
    .slice(0, MOST_CONTESTED)
    .map(({ ip, rows }) => {
      const winner = winners.winner(ip);
      const hosts = [...new Set(rows.map(({ value }) => value.tunnelIp))].join(', ');
      const text =
        winner === undefined
          ? `${ip} is an address of this host, and claimed by ${hosts}; the claim is not followed`
          : `${ip} is claimed by several hosts (${hosts}); packets go to ${winner.vtep}, the latest`;
      return { level: 'warning', code: 'duplicate-address', text };
    });
}
