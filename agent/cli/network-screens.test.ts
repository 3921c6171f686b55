import { describe, expect, it } from 'vitest';
import { detailDocument, type PathDocument } from '#agent/api/documents.ts';
import { ago, NOW_MS, SECOND } from '#agent/api/facts.fixture.ts';
import { DRIFT, networkOf } from '#agent/api/network.fixture.ts';
import type { ContainerDnsFact, LookupDetail, NetworksDetail, PathDetail } from '#agent/api/network-facts.ts';
import { NO_NETWORKS } from '#agent/api/network-facts.ts';
import { isoTime } from '#agent/api/view.ts';
import { NetdError } from '#base/errors.ts';
import { useCli } from './cli.fixture.ts';
import { dnsScreen, lookupScreen } from './dns-screen.ts';
import { driftScreen } from './drift-screen.ts';
import { networksScreen } from './networks-screen.ts';
import { pathScreen } from './path-screen.ts';
import { NO_COLOURS } from './text.ts';

const SCREEN = { palette: NO_COLOURS, width: 100, cutTables: true };
const AT = isoTime(NOW_MS);
const networksOf = (detail: Partial<NetworksDetail>) =>
  detailDocument({ driverProblem: null, networks: [], ...detail }, AT);

const BROKEN = networkOf(1, 2, {
  name: 'back',
  state: 'failed',
  reason: 'ip link set ndb up: EPERM',
  internal: true,
  subnets: [
    {
      subnet: '10.0.2.0/24',
      gateway: '10.0.2.1',
      vni: 4098,
      bridge: { name: 'ndb77', state: 'down' },
      vxlan: { name: 'ndx77', state: 'absent' },
    },
  ],
  peers: [
    { vtep: '10.77.1.1', nodes: [{ name: 'b7702e6f0001', state: 'alive' }], addresses: 3 },
    { vtep: '10.77.1.2', nodes: [{ name: 'b7702e6f0002', state: 'suspect' }], addresses: 1 },
  ],
  rows: { known: 6, wanted: 4, programmed: 0, refused: { 'bad-mac': 2 }, contested: [] },
  findings: [{ level: 'warning', code: 'underlay-mtu', text: 'full packets need 1500 bytes, and eth0 carries 1400' }],
  hold: 'catching-up',
  adoption: { repairs: 3, destructive: 1 },
  lastPass: { at: ago(SECOND), tookMs: 12.7, ops: 2, failures: [{ op: 'ip link set ndb up', reason: 'EPERM' }] },
  drifted: 4,
});

function served(n: number, changes: Partial<ContainerDnsFact> = {}): ContainerDnsFact {
  return {
    container: `web.${n}.x9y8z7w6v5u4t3s2r1q0p9o8n`,
    taskId: null,
    sandbox: `/run/docker/netns/${n}`,
    state: 'serving',
    error: null,
    networks: [{ id: 'k3q', name: 'shop', names: 42 }],
    servers: [{ address: '10.77.1.254', from: 'host' }],
    internalOnly: false,
    waiting: 0,
    repairs: 0,
    counters: { queries: 10, answered: 7, forwarded: 3, failed: 1, truncated: 0, malformed: 0, ignored: 0 },
    ...changes,
  };
}
const dnsOf = (containers: readonly ContainerDnsFact[]) =>
  detailDocument({ hostServers: ['10.77.1.254'], containers }, AT);

const LOOKUP: LookupDetail = {
  container: 'web.1',
  explanation: {
    name: 'db',
    type: 'A',
    searched: ['shop', 'back'],
    records: [
      { network: 'shop', key: 'db', addresses: ['10.0.1.9', '10.0.1.10'] },
      { network: 'back', key: 'db', addresses: ['10.0.2.9'] },
    ],
    outcome: {
      kind: 'addresses',
      network: 'shop',
      addresses: [
        { address: '10.0.1.9', endpoints: [{ id: 'e1', name: 'db.1' }] },
        { address: '10.0.1.10', endpoints: [{ id: 'e2', name: 'db.2' }] },
      ],
    },
  },
};
const lookupOf = (outcome: NonNullable<LookupDetail['explanation']>['outcome']) =>
  LOOKUP.explanation && { ...LOOKUP, explanation: { ...LOOKUP.explanation, records: [], outcome } };

const HOPS = [
  { step: 'interface', place: 'container', verdict: 'ok', found: 'eth0 on network shop: 10.0.1.5/24', mend: null },
  {
    step: 'neighbour',
    place: 'container',
    verdict: 'note',
    found: '10.0.1.9 was asked for, and nobody answered',
    mend: null,
  },
  {
    step: 'forwarding-row',
    place: 'overlay',
    verdict: 'wrong',
    found: 'there is no forwarding row for 02:42:0a:00:01:09 on ndx4f02ac91be: frames to it are dropped',
    mend: 'netd mends this within two seconds.',
  },
  {
    step: 'underlay',
    place: 'host',
    verdict: 'ok',
    found: '10.77.1.2 dev eth0, source 10.77.1.3, MTU 1500 (needed 1500)',
    mend: null,
  },
] as const;
const PATH: PathDetail = {
  from: { name: 'web.1', places: [{ network: 'shop', address: '10.0.1.5/24' }] },
  to: 'db',
  name: {
    step: 'name',
    place: 'container',
    verdict: 'ok',
    found: 'db is 10.0.1.9, 10.0.1.10, by network shop (searched: shop)',
    mend: null,
  },
  walks: [
    { address: '10.0.1.9', names: ['db.1'], network: 'shop', hops: HOPS },
    { address: '10.0.1.10', names: [], network: 'shop', hops: [HOPS[0]] },
  ],
  notWalked: [],
  fault: { address: '10.0.1.9', hop: HOPS[2] },
};

describe('screens of the networks', () => {
  it.each([
    ['two networks, one broken', networksScreen(networksOf({ networks: [networkOf(2, 3), BROKEN] }), SCREEN, false)],
    ['a large network', networksScreen(networksOf({ networks: [networkOf(30, 200)] }), SCREEN, false)],
    [
      'no network and no driver',
      networksScreen(networksOf({ driverProblem: 'the engine cannot call netd: EACCES' }), SCREEN, false),
    ],
    [
      'resolvers',
      dnsScreen(
        dnsOf([served(1), served(2, { state: 'failed', error: 'EPERM', servers: [], internalOnly: true })]),
        SCREEN,
        false,
      ),
    ],
    ['many resolvers', dnsScreen(dnsOf(Array.from({ length: 50 }, (_, i) => served(i + 1))), SCREEN, false)],
    ['a name', lookupScreen(detailDocument(LOOKUP, AT), SCREEN)],
    [
      'a name for others',
      lookupScreen(
        detailDocument(
          lookupOf({ kind: 'forward', servers: [{ address: '10.77.1.254', from: 'host' }] }) ?? LOOKUP,
          AT,
        ),
        SCREEN,
      ),
    ],
    [
      'a name without answer',
      lookupScreen(detailDocument(lookupOf({ kind: 'servfail', reason: 'there is no server' }) ?? LOOKUP, AT), SCREEN),
    ],
    ['no drift', driftScreen(detailDocument({ ...NO_NETWORKS.drift, mended: [] }, AT), SCREEN, false)],
    ['drift', driftScreen(detailDocument(DRIFT, AT), SCREEN, false)],
    ['a path with a fault', pathScreen(detailDocument(PATH, AT), SCREEN)],
    [
      'a path without',
      pathScreen(detailDocument({ ...PATH, walks: [], fault: null, notWalked: ['10.0.1.10'] }, AT), SCREEN),
    ],
  ])('show %s', (_, screen) => {
    expect(screen).toMatchSnapshot();
    for (const line of screen.split('\n')) expect(line.length).toBeLessThanOrEqual(SCREEN.width);
  });

  it('show all when asked', () => {
    const all = networksScreen(networksOf({ networks: [networkOf(30, 200)] }), SCREEN, true);
    expect(all).toContain('10.77.1.200');
    expect(all).not.toContain('--all');
  });
});

const { startAgent, netd } = useCli();

describe('netd inspect networks, dns, drift, path', () => {
  it('ask the agent, and carry everything in JSON', async () => {
    const agent = await startAgent();
    agent.network = {
      networks: () => ({ driverProblem: null, networks: [networkOf(1, 1), BROKEN] }),
      dns: () => ({ hostServers: [], containers: [served(1), served(2)] }),
      drift: () => DRIFT,
      lookup: ({ container }) => ({ ...LOOKUP, container: container === 'web.1' ? served(1).container : container }),
      path: async ({ to }) => ({ ...PATH, to, fault: to === 'well' ? null : PATH.fault }),
    };
    expect((await netd(['inspect', 'networks', 'back'])).out).not.toContain('shop');
    expect(JSON.parse((await netd(['inspect', 'networks', 'back', '--json'])).out)).toMatchObject({
      schemaVersion: 1,
      networks: [{ name: 'back', hold: 'catching-up' }],
    });
    expect(await netd(['inspect', 'networks', 'nothing'])).toMatchObject({
      status: 1,
      err: 'netd: no overlay network of this host is called nothing\n  → There are shop, back.\n',
    });
    expect(JSON.parse((await netd(['inspect', 'dns', 'web.1', '--json'])).out).containers).toEqual([served(1)]);
    expect((await netd(['inspect', 'dns', 'web.1', 'db', 'a'])).out).toContain('10.0.1.10, of db.2');
    expect(JSON.parse((await netd(['inspect', 'drift', '--json'])).out)).toMatchObject({ ...DRIFT });
    expect(await netd(['inspect', 'path', 'web.1', 'well'])).toMatchObject({ status: 0 });
    const { status, out } = await netd(['inspect', 'path', 'web.1', 'db', '--json']);
    const document: PathDocument = JSON.parse(out);
    expect({ status, step: document.fault?.hop.step }).toEqual({ status: 3, step: 'forwarding-row' });
  });

  it('say what there is when asked for something else', async () => {
    const agent = await startAgent();
    agent.network = {
      ...agent.network,
      path: () => Promise.reject(new NetdError('no-such-name', 'nothing is called db', { mend: 'There are web.' })),
    };
    expect(await netd(['inspect', 'path', 'web.1', 'db'])).toEqual({
      status: 1,
      out: '',
      err: 'netd: nothing is called db\n  → There are web.\n',
    });
  });

  it.each([
    [['path', 'web.1'], 'netd inspect path takes <FROM> <TO>'],
    [['drift', 'shop'], 'netd inspect drift takes no further words'],
    [['networks', 'shop', 'back'], 'netd inspect networks takes [NAME]'],
  ])('refuse %j', async (words, message) => {
    expect(await netd(['inspect', ...words])).toMatchObject({ status: 2, err: expect.stringContaining(message) });
  });
});
