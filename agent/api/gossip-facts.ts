import type { GossipSummary, NetworkView } from '#netd/gossip/view.ts';
import type { IsoTime } from './iso-time.ts';

/**
 * - `off`: the node is in no swarm.
 * - `waiting`: no manager has sent keys yet.
 * - `failing`: it cannot start, and is tried again and again; `error` says why.
 * - `searching`: it runs, and knows no other node.
 * - `joined`: it runs with others.
 */
export const GOSSIP_STATES = ['off', 'waiting', 'failing', 'searching', 'joined'] as const;
export type GossipStateName = (typeof GOSSIP_STATES)[number];

/** How this node takes part in the gossip of its swarm (port 7946). Never a key. */
export interface GossipFact {
  readonly state: GossipStateName;
  /** Since when it runs under its present name, or since when it cannot start. */
  readonly since: IsoTime | null;
  /** Why it cannot start. */
  readonly error: FaultFact | null;
  /** The managers looked for in vain; null while a peer is found. */
  readonly unreachable: {
    readonly addresses: readonly string[];
    readonly reason: string;
    readonly since: IsoTime;
  } | null;
  /** Why the last list of keys from a manager was refused; those of before are in use. */
  readonly keysRefused: string | null;
  /** Where the packets of overlay networks go to and come from (UDP); null until the gossip runs. */
  readonly dataPath: { readonly address: string; readonly port: number } | null;
  readonly dataPathError: FaultFact | null;
  /** Null unless it runs. */
  readonly node: GossipSummary | null;
}

/** An error as an operator is told it. */
export interface FaultFact {
  readonly code: string;
  readonly what: string;
  readonly mend: string | null;
}

/** What `netd inspect gossip` adds to the fact: as long as the cluster is large, so it is made only when asked for. */
export interface GossipDetail {
  /** By name. */
  readonly peers: readonly GossipPeerFact[];
  /** The networks this node is on, by id. */
  readonly networks: readonly NetworkView[];
}

export const MEMBER_STATES = ['alive', 'suspect', 'dead', 'left'] as const;
export type MemberStateName = (typeof MEMBER_STATES)[number];
/** `failed` went without a word, `left` said goodbye. */
export const PEER_STATUSES = ['active', 'failed', 'left'] as const;
export type PeerStatusName = (typeof PEER_STATUSES)[number];

/** Another node as the gossip knows it. Gossip names are drawn anew at every start of a node, and have nothing to do with node ids. */
export interface GossipPeerFact {
  readonly name: string;
  readonly address: string;
  /** Whether a manager of the swarm has that address. */
  readonly manager: boolean;
  readonly state: MemberStateName;
  /** Since when it is in that state. */
  readonly since: IsoTime;
  /** When a packet last came from its address; null if none has, as in a large cluster with a new peer. */
  readonly heardAt: IsoTime | null;
  readonly incarnation: number;
  /** Whether it takes part in the tables; null once that is forgotten. */
  readonly status: PeerStatusName | null;
  /** Ids of the networks it is on. */
  readonly networks: readonly string[];
  /** Rows it owns that this node holds. */
  readonly rows: number;
}

export const NO_GOSSIP: GossipFact = {
  state: 'off',
  since: null,
  error: null,
  unreachable: null,
  keysRefused: null,
  dataPath: null,
  dataPathError: null,
  node: null,
};
