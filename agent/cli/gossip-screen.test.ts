import { describe, expect, it } from 'vitest';
import { type GossipDocument, gossipDocument } from '#agent/api/documents.ts';
import { ago, GOSSIP, HOUR, MINUTE, NOW_MS, READY, SECOND } from '#agent/api/facts.fixture.ts';
import { type GossipFact, type GossipPeerFact, NO_GOSSIP } from '#agent/api/gossip-facts.ts';
import { gossipSchema } from '#agent/api/gossip-schema.ts';
import { viewOf } from '#agent/api/problems.ts';
import { isoTime } from '#agent/api/view.ts';
import { useCli } from './cli.fixture.ts';
import { gossipScreen } from './gossip-screen.ts';
import { NO_COLOURS } from './text.ts';

const SCREEN = { palette: NO_COLOURS, width: 100, cutTables: true };
const INGRESS = 'q1x7c9v2b4n6m8k0j3h5g7f9d';
const SHOP = 'z9y8x7w6v5u4t3s2r1q0p9o8n';

function peer(number: number, changes: Partial<GossipPeerFact> = {}): GossipPeerFact {
  return {
    name: `b7702e6f${number.toString(16).padStart(4, '0')}`,
    address: `10.77.${number >> 8}.${number & 255}:7946`,
    manager: number === 1,
    state: 'alive',
    since: ago(3 * HOUR),
    heardAt: ago(number * SECOND),
    incarnation: 1,
    status: 'active',
    networks: [INGRESS],
    rows: 6,
    ...changes,
  };
}

function documentOf(peers: readonly GossipPeerFact[], changes: Partial<GossipFact> = {}): GossipDocument {
  const members = { alive: 0, suspect: 0, dead: 0, left: 0 };
  for (const { state } of peers) members[state]++;
  const node = GOSSIP.node && { ...GOSSIP.node, members };
  const gossip = { ...GOSSIP, node, ...changes };
  const nodes = [...peers.map(({ name }) => name), node?.name ?? ''];
  const networks =
    gossip.node === null
      ? []
      : [
          {
            id: INGRESS,
            leaving: false,
            inSync: true,
            nodes,
            tables: [
              { name: 'endpoint_table', rows: 10, own: 2, tombstones: 1 },
              { name: 'overlay_peer_table', rows: 12, own: 2, tombstones: 1 },
            ],
            queue: { own: 1, relayed: 3 },
          },
          {
            id: SHOP,
            leaving: false,
            inSync: false,
            nodes: nodes.slice(-1),
            tables: [],
            queue: { own: 0, relayed: 0 },
          },
        ];
  const detail = { peers: gossip.node === null ? [] : peers, networks };
  return gossipDocument(viewOf({ ...READY, gossip }, NOW_MS), detail, isoTime(NOW_MS));
}

const three = [
  peer(1),
  peer(2),
  peer(4, { address: '10.77.1.5:7946', state: 'suspect', status: 'left', since: ago(2 * SECOND), rows: 0 }),
  peer(3, { state: 'dead', status: 'failed', since: ago(MINUTE), networks: [], rows: 0, heardAt: null }),
];
const many = Array.from({ length: 300 }, (_, i) => {
  if (i === 100) return peer(i + 1, { state: 'suspect', since: ago(SECOND) });
  if (i === 200) return peer(i + 1, { state: 'left', status: 'left', since: ago(HOUR), rows: 0 });
  return peer(i + 1, { manager: i % 100 === 7 });
});

const SITUATIONS: readonly [name: string, document: GossipDocument][] = [
  ['three peers, and this host before it was restarted', documentOf(three)],
  ['three hundred peers', documentOf(many)],
  ['not joined', documentOf([], NO_GOSSIP)],
  ['no keys yet', documentOf([], { ...NO_GOSSIP, state: 'waiting' })],
  [
    'a port in use',
    documentOf([], {
      ...NO_GOSSIP,
      state: 'failing',
      since: ago(5 * MINUTE),
      error: { code: 'gossip-port-in-use', what: 'port 7946 is in use by dockerd (process 812)', mend: null },
    }),
  ],
  [
    'alone, and in trouble',
    documentOf([], {
      state: 'searching',
      unreachable: { addresses: ['10.77.1.1', '10.77.1.2'], reason: 'connect ETIMEDOUT', since: ago(MINUTE) },
      keysRefused: 'the manager sent 2 keys of networking:gossip, expected 3',
      dataPath: null,
      dataPathError: {
        code: 'address-not-local',
        what: '--data-path-addr eth7: this host has no interface',
        mend: null,
      },
      node: GOSSIP.node && { ...GOSSIP.node, healthScore: 5, refusedMessages: 7 },
    }),
  ],
];

describe('netd inspect gossip', () => {
  it.each(SITUATIONS)('%s', (name, document) => {
    expect(gossipScreen(document, SCREEN, false)).toMatchSnapshot(name);
    expect(gossipSchema.safeParse(JSON.parse(JSON.stringify(document)))).toMatchObject({
      success: true,
      data: document,
    });
  });

  it('keeps to a screen or so, however large the cluster, and shows it whole on demand', () => {
    const lines = gossipScreen(documentOf(many), SCREEN, false).split('\n');
    expect(lines.length).toBeLessThan(50);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
    const all = gossipScreen(documentOf(many), SCREEN, true);
    for (const { name } of many) expect(all).toContain(name);
    expect(all).not.toContain('--all');
  });
});

describe('the command', () => {
  const cli = useCli();

  it('prints the whole cluster where it is read by programs', async () => {
    const agent = await cli.startAgent();
    const { peers, networks } = documentOf(many);
    agent.detail = { peers, networks };
    const { out, status } = await cli.netd(['inspect', 'gossip', '--json']);
    expect(status).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ schemaVersion: 1, gossip: GOSSIP, peers, networks });
    expect((await cli.netd(['inspect', 'gossip'])).out).not.toContain('--all');
    expect((await cli.netd(['inspect', 'gossip'], { isTTY: true, columns: 100 })).out).toContain('--all');
    expect((await cli.netd(['inspect', 'gossip', '--all'], { isTTY: true })).out).not.toContain('--all');
  });
});
