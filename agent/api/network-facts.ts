import type { Counters } from '#netd/dns/counters.ts';
import type { Explanation } from '#netd/dns/explain.ts';
import type { DriftCounts } from '#netd/overlay/drift.ts';
import type { Hop, PathReport } from '#netd/path/hop.ts';
import type { IsoTime } from './iso-time.ts';

export const OVERLAY_STATES = ['waiting', 'ready', 'failed', 'refused'] as const;
/** `waiting`: its first pass is to come; `failed`: the kernel refused part of it; `refused`: it cannot be built here. */
export type OverlayStateName = (typeof OVERLAY_STATES)[number];

/** The overlay networks of this host in short: what one screen says of them, and what is wrong. */
export interface NetworksFact {
  /** Why the engine cannot call netd's network driver; null if it can. */
  readonly driverProblem: string | null;
  readonly networks: readonly NetworkSummaryFact[];
  readonly drift: DriftSummaryFact;
  /** Passes over networks since the agent started, and those of them that the kernel refused part of. */
  readonly passes: { readonly done: number; readonly failed: number };
  readonly dns: DnsSummaryFact;
}

export interface NetworkSummaryFact {
  readonly id: string;
  readonly name: string;
  readonly state: OverlayStateName;
  /** Why it is refused or failed. */
  readonly reason: string | null;
  /** Containers of this host. */
  readonly endpoints: number;
  /** Addresses of other hosts that are to have a way, and neighbour rows the kernel has for them. */
  readonly remote: { readonly wanted: number; readonly programmed: number };
  readonly findings: readonly FindingFact[];
}

/** Something about a network that an operator should know. */
export interface FindingFact {
  readonly level: 'error' | 'warning';
  readonly code: string;
  readonly text: string;
}

export interface DriftSummaryFact {
  /** Differences found since the agent started. */
  readonly total: number;
  readonly counts: DriftCounts;
  readonly open: readonly DriftFact[];
  /** What was mended again and again lately, the most frequent first. */
  readonly recurring: readonly RecurringDriftFact[];
}

/** What the kernel had that no wish of netd's explains. */
export interface DriftFact {
  /** Name of the network. */
  readonly network: string;
  readonly what: string;
  readonly since: IsoTime;
  /** What mended it, or is tried. */
  readonly how: string;
  readonly mendedAt: IsoTime | null;
  /** Why it is not mended. */
  readonly error: string | null;
}

export interface RecurringDriftFact {
  readonly network: string;
  readonly what: string;
  readonly times: number;
  readonly since: IsoTime;
}

export interface DnsSummaryFact {
  /** Containers that are served. */
  readonly containers: number;
  readonly failed: readonly { readonly container: string; readonly error: string }[];
  /** Of all containers since the agent started. */
  readonly counters: Readonly<Counters>;
}

/** What `netd inspect networks` shows. */
export interface NetworksDetail {
  readonly driverProblem: string | null;
  readonly networks: readonly NetworkDetailFact[];
}

export interface NetworkDetailFact {
  readonly id: string;
  readonly name: string;
  readonly state: OverlayStateName;
  readonly reason: string | null;
  readonly internal: boolean;
  /** Bytes; null while it is refused. */
  readonly mtu: number | null;
  /** File of its network namespace. */
  readonly namespace: string;
  readonly subnets: readonly {
    readonly subnet: string;
    readonly gateway: string;
    readonly vni: number;
    readonly bridge: LinkFact;
    readonly vxlan: LinkFact;
  }[];
  readonly endpoints: readonly EndpointFact[];
  /** The other hosts, by address. */
  readonly peers: readonly {
    readonly vtep: string;
    readonly nodes: readonly { readonly name: string; readonly state: string }[];
    readonly addresses: number;
  }[];
  readonly rows: {
    readonly known: number;
    readonly wanted: number;
    readonly programmed: number;
    readonly refused: Readonly<Record<string, number>>;
    readonly contested: readonly { readonly ip: string; readonly claims: readonly string[] }[];
  };
  readonly findings: readonly FindingFact[];
  /** Why rows that vanished are not taken away yet. */
  readonly hold: string | null;
  /** What was to be done on what an earlier run had left; null if there was nothing. */
  readonly adoption: { readonly repairs: number; readonly destructive: number } | null;
  readonly lastPass: {
    readonly at: IsoTime;
    readonly tookMs: number;
    readonly ops: number;
    readonly failures: readonly { readonly op: string; readonly reason: string }[];
  } | null;
  /** Differences found since the network is here. */
  readonly drifted: number;
}

export interface LinkFact {
  readonly name: string;
  readonly state: 'up' | 'down' | 'absent';
}

/** A container of this host on a network. */
export interface EndpointFact {
  readonly id: string;
  /** Null before the container is known. */
  readonly container: string | null;
  readonly taskId: string | null;
  readonly address: string;
  readonly mac: string;
  readonly interface: string | null;
  readonly sandbox: string | null;
  /** The bridge's end of its pair; null before it is joined. */
  readonly port: LinkFact | null;
  /** Whether the other nodes were told where it is. */
  readonly published: boolean;
  /** What they were told of its names. */
  readonly row: 'none' | 'active' | 'disabled';
}

/** What `netd inspect dns` shows. */
export interface DnsDetail {
  readonly hostServers: readonly string[];
  readonly containers: readonly ContainerDnsFact[];
}

export interface ContainerDnsFact {
  readonly container: string;
  readonly taskId: string | null;
  readonly sandbox: string;
  readonly state: 'starting' | 'serving' | 'failed';
  readonly error: string | null;
  /** In search order. */
  readonly networks: readonly { readonly id: string; readonly name: string; readonly names: number }[];
  readonly servers: readonly { readonly address: string; readonly from: 'host' | 'container' }[];
  /** No network of it leads outside: nothing is forwarded through the host. */
  readonly internalOnly: boolean;
  /** Questions that wait for a server. */
  readonly waiting: number;
  readonly repairs: number;
  readonly counters: Readonly<Counters>;
}

/** What `netd inspect dns CONTAINER NAME` shows. */
export interface LookupDetail {
  readonly container: string;
  /** Null if no resolver of netd serves the container. */
  readonly explanation: Explanation | null;
}

/** What `netd inspect drift` shows. */
export interface DriftDetail extends DriftSummaryFact {
  /** Latest last; bounded. */
  readonly mended: readonly DriftFact[];
}

/** What `netd inspect path` shows. */
export interface PathDetail extends PathReport {
  readonly fault: { readonly address: string | null; readonly hop: Hop } | null;
}

export const NO_NETWORKS: NetworksFact = {
  driverProblem: null,
  networks: [],
  drift: {
    total: 0,
    counts: { namespace: 0, sysctl: 0, link: 0, address: 0, neighbour: 0, forwarding: 0 },
    open: [],
    recurring: [],
  },
  passes: { done: 0, failed: 0 },
  dns: {
    containers: 0,
    failed: [],
    counters: { queries: 0, answered: 0, forwarded: 0, failed: 0, truncated: 0, malformed: 0, ignored: 0 },
  },
};
