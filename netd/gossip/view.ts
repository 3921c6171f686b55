import type { Core } from './core.ts';
import type { NodeState } from './wire/push-pull.ts';

/** How the gossip is, in numbers; never a key. */
export interface GossipSummary {
  readonly name: string;
  readonly address: string;
  /** 0 is well; 7 means that we doubt our own network or scheduling most. */
  readonly healthScore: number;
  readonly incarnation: number;
  readonly leaving: boolean;
  readonly clocks: { readonly network: string; readonly table: string };
  /** Lamport times of the keys. */
  readonly keys: { readonly primary: string; readonly others: readonly string[] };
  /** The other nodes, by what membership says of them. */
  readonly members: Readonly<Record<NodeState, number>>;
  /** The other nodes that take part in the tables. */
  readonly activePeers: number;
  /** Networks this node is on. */
  readonly attached: number;
  readonly queues: {
    readonly members: number;
    readonly networkEvents: number;
    readonly nodeEvents: number;
    readonly overflows: number;
  };
  readonly bulkSync: {
    readonly queued: number;
    readonly sending: number;
    readonly awaited: number;
    readonly backlogBytes: number;
  };
  readonly rows: number;
  readonly refusedMessages: number;
  /** What the tables have counted. */
  readonly counters: Readonly<Record<string, number>>;
  /** How often each kind of fact has become known, such as `conflict` or `udp-blocked`. */
  readonly facts: Readonly<Record<string, number>>;
}

/** Everything an operator may want to see of the gossip, as plain values. */
export interface GossipView extends GossipSummary {
  readonly peers: readonly PeerView[];
  readonly networks: readonly NetworkView[];
}

export interface PeerView {
  readonly name: string;
  readonly address: string;
  /** What membership says. */
  readonly state: NodeState;
  /** How long it has been in that state. */
  readonly sinceMs: number;
  /** How long ago a packet came from its address; undefined if none has. */
  readonly heardMs: number | undefined;
  readonly incarnation: number;
  /** What NetworkDB says; undefined if it has forgotten the node. */
  readonly status: 'active' | 'failed' | 'left' | undefined;
  readonly networks: readonly string[];
  readonly rows: number;
}

export interface NetworkView {
  readonly id: string;
  readonly leaving: boolean;
  readonly inSync: boolean;
  readonly nodes: readonly string[];
  readonly tables: readonly {
    readonly name: string;
    readonly rows: number;
    readonly own: number;
    readonly tombstones: number;
  }[];
  readonly queue: { readonly own: number; readonly relayed: number };
}

/** @param keyTags Lamport tags of the ring, primary first */
export function summaryOf(
  core: Core,
  keyTags: readonly bigint[],
  facts: Readonly<Record<string, number>>,
): GossipSummary {
  const { swim, db } = core;
  const { self, queue, healthScore, leaving } = swim.state;
  const [primary, ...others] = keyTags.map(String);
  const members = { alive: 0, suspect: 0, dead: 0, left: 0 };
  for (const member of swim.state.members) if (member !== self) members[member.state]++;
  return {
    name: self.name,
    address: addressText(self.ip, self.port),
    healthScore,
    incarnation: self.incarnation,
    leaving,
    clocks: { network: String(db.state.networkClock.time), table: String(db.state.tableClock.time) },
    keys: { primary: primary ?? '', others },
    members,
    activePeers: db.state.activePeers - 1, // all but us
    attached: db.state.own.size,
    queues: {
      members: queue.size,
      networkEvents: db.state.networkQueue.size,
      nodeEvents: db.state.nodeQueue.size,
      overflows: queue.overflows + db.state.networkQueue.overflows + db.state.nodeQueue.overflows,
    },
    bulkSync: db.bulk.load,
    rows: db.state.rows.size,
    refusedMessages: core.refused,
    counters: { ...db.state.counters },
    facts: { ...facts },
  };
}

/** @param heardMs how long ago a packet came from an IP address */
export function viewOf(
  core: Core,
  keyTags: readonly bigint[],
  facts: Readonly<Record<string, number>>,
  heardMs: (ip: string) => number | undefined,
): GossipView {
  const { swim, db, io } = core;
  const peers: PeerView[] = [];
  for (const member of swim.state.members) {
    if (member === swim.state.self) continue;
    const attachments = db.state.attachments.get(member.name) ?? new Map<string, { leaving: boolean }>();
    peers.push({
      name: member.name,
      address: addressText(member.ip, member.port),
      state: member.state,
      sinceMs: io.nowMs - member.stateSinceMs,
      heardMs: heardMs(member.ip),
      incarnation: member.incarnation,
      status: db.state.peers.get(member.name)?.status,
      networks: [...attachments].filter(([, one]) => !one.leaving).map(([network]) => network),
      rows: count(db.state.rows.ownedBy(member.name)),
    });
  }
  return {
    ...summaryOf(core, keyTags, facts),
    peers: peers.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    networks: [...db.state.own.keys()].sort().map((network) => networkView(core, network)),
  };
}

function networkView(core: Core, id: string): NetworkView {
  const { state } = core.db;
  const own = state.own.get(id);
  const tables = new Map<string, { rows: number; own: number; tombstones: number }>();
  for (const row of state.rows.of(id)) {
    const table = tables.get(row.table) ?? { rows: 0, own: 0, tombstones: 0 };
    tables.set(row.table, table);
    if (row.deleted) table.tombstones++;
    else table.rows++;
    if (!row.deleted && row.owner === core.config.name) table.own++;
  }
  return {
    id,
    leaving: own?.leaving ?? false,
    inSync: own?.inSync ?? false,
    nodes: [...(state.rosters.get(id) ?? [])].sort(),
    tables: [...tables].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, counts]) => ({ name, ...counts })),
    queue: { own: own?.own.size ?? 0, relayed: own?.relayed.size ?? 0 },
  };
}

function addressText(ip: string, port: number): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}

function count(rows: Iterable<unknown>): number {
  let found = 0;
  for (const _ of rows) found++;
  return found;
}
