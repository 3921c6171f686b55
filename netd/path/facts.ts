import type { LocalEndpoint } from '../overlay/endpoint.ts';
import type { WantedWay } from '../overlay/wanted-way.ts';

// What a walk from a container to an address goes by: what is wanted, and what was found in the kernel and the gossip.

export interface WalkFacts {
  readonly address: string;
  readonly origin: Origin;
  /** Undefined if the namespace is gone. */
  readonly container: ContainerFacts | undefined;
  /** Undefined if no network of the container has a subnet with the address. */
  readonly network: OriginNetwork | undefined;
  /** Networks of this host that have such a subnet, and that the container is not on. */
  readonly elsewhere: readonly string[];
  /** Undefined without network, or if this host does not have it any more. */
  readonly way: WantedWay | undefined;
  /** Undefined if the namespace of the network is not there. */
  readonly overlay: OverlayFacts | undefined;
  /** Of the container here that has the address; undefined for an address elsewhere, or a namespace that is gone. */
  readonly target: { readonly links: Links } | undefined;
  readonly underlay: UnderlayFacts;
  readonly gossip: GossipFacts;
}

/** The container the walk begins at. */
export interface Origin {
  readonly name: string;
  readonly networks: readonly OriginNetwork[];
}

export interface OriginNetwork {
  readonly id: string;
  readonly name: string;
  readonly subnets: readonly { readonly subnet: string; readonly gateway: string }[];
  readonly endpoint: LocalEndpoint;
}

export type Links = ReadonlyMap<string, PathLink>;

export interface PathLink {
  readonly name: string;
  readonly isUp: boolean;
  /** IF_OPER_* of linux/if.h: 6 is up, 0 unknown, 2 down, 3 the other end or the layer below is down. */
  readonly operState: number;
  readonly mtu: number;
  readonly mac: string | undefined;
  /** Name of the bridge it is a port of. */
  readonly master: string | undefined;
  readonly vxlan: { readonly vni: number; readonly port: number; readonly local: string | undefined } | undefined;
  /** IPv4, with prefix length. */
  readonly addresses: readonly string[];
}

/** What the kernel does with packets to an address (`ip route get`). */
export interface PathRoute {
  readonly device: string | undefined;
  readonly gateway: string | undefined;
  readonly source: string | undefined;
  /** Bytes; undefined if the route says nothing and the device counts. */
  readonly mtu: number | undefined;
}

export interface ContainerFacts {
  readonly links: Links;
  /** Undefined if there is no route. */
  readonly route: PathRoute | undefined;
  /** What the container has of the next hop; undefined if it has not asked lately. */
  readonly neighbour: { readonly ip: string; readonly mac: string | undefined } | undefined;
}

export interface OverlayFacts {
  readonly links: Links;
  /** By address, of the vxlan device of the address's subnet; permanent ones only. */
  readonly neighbours: ReadonlyMap<string, string>;
  readonly forwardings: ReadonlyMap<string, { readonly vtep: string; readonly isStatic: boolean }>;
  readonly forwardsIpv4: boolean;
}

export interface UnderlayFacts {
  readonly vtep: string;
  readonly links: Links;
  /** To the VTEP of the row that counts; undefined without such a row, or if there is none. */
  readonly route: PathRoute | undefined;
}

export interface GossipFacts {
  readonly isRunning: boolean;
  /** What the address is called by the node that has it. */
  readonly names: readonly string[];
  /** The service whose virtual address it is, and the tasks behind it. */
  readonly service: ServiceFacts | undefined;
  /** The node that owns the row that counts; undefined if gossip does not know it. */
  readonly peer: PathPeer | undefined;
}

export interface ServiceFacts {
  readonly name: string;
  readonly tasks: readonly { readonly name: string; readonly ip: string }[];
}

/** A node of the gossip. */
export interface PathPeer {
  readonly name: string;
  readonly address: string;
  readonly state: 'alive' | 'suspect' | 'dead' | 'left';
  readonly status: 'active' | 'failed' | 'left' | undefined;
  /** How long it has been in that state. */
  readonly sinceMs: number;
}
