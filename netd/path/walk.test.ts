import { describe, expect, it } from 'vitest';
import type { DesiredNetwork } from '../desired.ts';
import type { LocalEndpoint } from '../overlay/endpoint.ts';
import { viewOf } from '../overlay/view.ts';
import type { WantedWay } from '../overlay/wanted-way.ts';
import type { PeerRow, Refusal } from '../overlay/winners.ts';
import type { OverlayFacts, PathLink, WalkFacts } from './facts.ts';
import type { Hop, HopStep } from './hop.ts';
import { walk } from './walk.ts';

const NETWORK: DesiredNetwork = {
  id: 'net0',
  name: 'app',
  subnets: [
    { subnet: '10.0.1.0/24', gateway: '10.0.1.1', vni: 4097 },
    { subnet: '10.0.2.0/24', gateway: '10.0.2.1', vni: 4098 },
  ],
  underlayMtu: undefined,
  internal: false,
  attachable: true,
  ingress: false,
  encrypted: false,
  loadBalancerAddress: undefined,
};
const own = (n: number): LocalEndpoint => ({
  networkId: 'net0',
  endpointId: `e${n}`,
  address: `10.0.1.${n}/24`,
  mac: `02:42:0a:00:01:0${n}`,
  sandboxKey: `/run/ns/${n}`,
  interfaceName: 'eth0',
});
const [HERE, BESIDE] = [own(5), own(6)];
const view = viewOf(NETWORK, [HERE, BESIDE], { vtep: '192.168.0.1', dataPathPort: 4789, isLocal: true });
if (typeof view === 'string') throw new Error(view);
const [near, far] = view.segments;
const [port, otherPort] = view.ports;
if (!near || !far || !port || !otherPort) throw new Error('unreachable: the view has them');

const FAR_IP = '10.0.1.9';
const FAR_MAC = '02:42:0a:00:01:09';
const ROW: PeerRow = {
  key: 'e9',
  owner: 'node2',
  time: 7n,
  value: { ip: FAR_IP, prefixLength: 24, mac: FAR_MAC, tunnelIp: '192.168.0.2' },
};

function link(name: string, changes: Partial<PathLink> = {}): PathLink {
  const vxlan = undefined;
  return {
    name,
    isUp: true,
    operState: 6,
    mtu: 1450,
    mac: '02:00:00:00:00:01',
    master: undefined,
    vxlan,
    addresses: [],
    ...changes,
  };
}

const byName = (...links: readonly PathLink[]) => new Map(links.map((one) => [one.name, one]));
const ETH0 = link('eth0', { mac: HERE.mac, addresses: [HERE.address] });
const vxlanLink = ({ vxlan, bridge }: typeof near) =>
  link(vxlan.name, { master: bridge.name, vxlan: { vni: vxlan.vni, port: 4789, local: '192.168.0.1' } });
const OVERLAY_LINKS = [
  link(port.inner.name, { master: near.bridge.name }),
  link(otherPort.inner.name, { master: near.bridge.name }),
  link(near.bridge.name, { addresses: [near.gateway] }),
  link(far.bridge.name, { addresses: [far.gateway] }),
  vxlanLink(near),
  vxlanLink(far),
];
const WAY: WantedWay = {
  networkId: 'net0',
  name: 'app',
  path: '/run/netd/netns/ov-net0',
  view,
  local: undefined,
  winner: { ip: FAR_IP, subnet: 0, mac: FAR_MAC, vtep: '192.168.0.2', row: ROW },
  forwardTo: '192.168.0.2',
  claims: [{ row: ROW, refusal: undefined }],
  hold: undefined,
};
const ORIGIN_NETWORK = { id: 'net0', name: 'app', subnets: NETWORK.subnets, endpoint: HERE };

/** Everything as it has to be, for an address of another host. */
const WELL = {
  address: FAR_IP,
  origin: { name: 'web.1', networks: [ORIGIN_NETWORK] },
  container: {
    links: byName(ETH0),
    route: { device: 'eth0', gateway: undefined, source: '10.0.1.5', mtu: undefined },
    neighbour: { ip: FAR_IP, mac: FAR_MAC },
  },
  network: ORIGIN_NETWORK,
  elsewhere: [],
  way: WAY,
  overlay: {
    links: byName(...OVERLAY_LINKS),
    neighbours: new Map([[FAR_IP, FAR_MAC]]),
    forwardings: new Map([[FAR_MAC, { vtep: '192.168.0.2', isStatic: true }]]),
    forwardsIpv4: true,
  },
  target: undefined,
  underlay: {
    vtep: '192.168.0.1',
    links: byName(link('up0', { mtu: 1500, addresses: ['192.168.0.1/24'] })),
    route: { device: 'up0', gateway: undefined, source: '192.168.0.1', mtu: undefined },
  },
  gossip: {
    isRunning: true,
    names: ['db.1'],
    service: undefined,
    peer: { name: 'node2', address: '192.168.0.2:7946', state: 'alive', status: 'active', sinceMs: 1000 },
  },
} satisfies WalkFacts;

/** The same for a container of this host. */
const BESIDE_WELL = {
  ...WELL,
  address: '10.0.1.6',
  container: { ...WELL.container, neighbour: undefined },
  way: { ...WAY, local: BESIDE, winner: undefined, forwardTo: undefined, claims: [] },
  target: { links: byName(link('eth0', { mac: BESIDE.mac, addresses: [BESIDE.address] })) },
} satisfies WalkFacts;

const overlay = (changes: Partial<OverlayFacts>) => ({ ...WELL, overlay: { ...WELL.overlay, ...changes } });
const without = (name: string) => overlay({ links: byName(...OVERLAY_LINKS.filter((one) => one.name !== name)) });
const withLink = (changed: PathLink) =>
  overlay({ links: byName(...OVERLAY_LINKS.filter(({ name }) => name !== changed.name), changed) });
const container = (changes: Partial<NonNullable<WalkFacts['container']>>) => ({
  ...WELL,
  container: { ...WELL.container, ...changes },
});
const gossip = (changes: Partial<WalkFacts['gossip']>) => ({ ...WELL, gossip: { ...WELL.gossip, ...changes } });
const way = (changes: Partial<WantedWay>) => ({ ...WELL, way: { ...WAY, ...changes } });
const refused = (reason: Refusal) =>
  way({ winner: undefined, forwardTo: undefined, claims: [{ row: ROW, refusal: reason }] });
const NOBODY = { ...WAY, winner: undefined, forwardTo: undefined, claims: [] };

const firstWrong = (facts: WalkFacts): Hop | undefined => walk(facts).hops.find(({ verdict }) => verdict === 'wrong');

describe('a walk', () => {
  it('finds nothing wrong where nothing is', () => {
    expect(walk(WELL).hops.map(({ step, verdict }) => `${verdict} ${step}`)).toEqual(
      [
        'interface',
        'route',
        'neighbour',
        'namespace',
        'port',
        'bridge',
        'vxlan',
        'row',
        'neighbour-row',
        'forwarding-row',
        'underlay',
        'node',
      ].map((step) => `ok ${step}`),
    );
    expect(firstWrong(BESIDE_WELL)).toBeUndefined();
    expect(walk(BESIDE_WELL).hops.at(-1)).toMatchObject({ step: 'target-interface', place: 'target' });
  });

  it('goes between the subnets of a network through the gateway', () => {
    const address = '10.0.2.9';
    const row = { ...ROW, value: { ...ROW.value, ip: address } };
    const rows = { ...WELL.overlay, neighbours: new Map([[address, FAR_MAC]]) };
    const facts: WalkFacts = {
      ...WELL,
      address,
      container: {
        ...WELL.container,
        route: { ...WELL.container.route, gateway: '10.0.1.1' },
        neighbour: { ip: '10.0.1.1', mac: '02:00:00:00:00:01' },
      },
      way: { ...WAY, winner: { ...WAY.winner, ip: address, subnet: 1, mac: FAR_MAC, vtep: '192.168.0.2', row } },
      overlay: rows,
    };
    expect(firstWrong(facts)).toBeUndefined();
    expect(walk(facts).hops.map(({ step }) => step)).toContain('routing');
    expect(firstWrong({ ...facts, overlay: { ...rows, forwardsIpv4: false } })?.step).toBe('routing');
    const stale = { ip: '10.0.1.1', mac: '02:00:00:00:00:99' };
    expect(
      firstWrong({ ...facts, container: { ...WELL.container, route: facts.container?.route, neighbour: stale } }),
    ).toMatchObject({
      step: 'neighbour',
      found: expect.stringContaining('the gateway is at 02:00:00:00:00:01 by now'),
    });
  });

  it.each<[string, WalkFacts, HopStep, RegExp]>([
    ['a container that ended', { ...WELL, container: undefined }, 'interface', /namespace .* is gone/],
    ['no interface', container({ links: byName() }), 'interface', /eth0 .*is not there/],
    [
      'an interface without its other end',
      container({ links: byName({ ...ETH0, operState: 3 }) }),
      'interface',
      /other end is down/,
    ],
    [
      'another address',
      container({ links: byName({ ...ETH0, addresses: ['10.0.1.7/24'] }) }),
      'interface',
      /has 10\.0\.1\.7\/24 instead/,
    ],
    [
      'another hardware address',
      container({ links: byName({ ...ETH0, mac: FAR_MAC }) }),
      'interface',
      /were told 02:42/,
    ],
    ['no route', container({ route: undefined }), 'route', /no route to/],
    [
      'a route elsewhere',
      container({ route: { ...WELL.container.route, device: 'eth1' } }),
      'route',
      /leads elsewhere/,
    ],
    [
      'a next hop too many',
      container({ route: { ...WELL.container.route, gateway: '10.0.1.1' } }),
      'route',
      /another next hop/,
    ],
    [
      'an old neighbour',
      container({ neighbour: { ip: FAR_IP, mac: HERE.mac } }),
      'neighbour',
      /it is at 02:42:0a:00:01:09 by now/,
    ],
    ['a network that cannot be built', way({ view: 'encrypted' }), 'namespace', /cannot be used here: encrypted/],
    ['a network not built yet', { ...WELL, way: undefined }, 'namespace', /not built it yet/],
    ['no namespace', { ...WELL, overlay: undefined }, 'namespace', /is gone/],
    ['no port', without(port.inner.name), 'port', /is not there/],
    ['a port of nothing', withLink(link(port.inner.name)), 'port', /is no port of/],
    ['a port of another bridge', withLink(link(port.inner.name, { master: far.bridge.name })), 'port', /is a port of/],
    ['no bridge', without(near.bridge.name), 'bridge', /is not there/],
    ['a bridge without the gateway', withLink(link(near.bridge.name)), 'bridge', /lacks the address 10\.0\.1\.1\/24/],
    ['no vxlan device', without(near.vxlan.name), 'vxlan', /is not there/],
    ['a vxlan device that is down', withLink({ ...vxlanLink(near), isUp: false }), 'vxlan', /is down/],
    ['a vxlan device on its own', withLink({ ...vxlanLink(near), master: undefined }), 'vxlan', /is no port of/],
    [
      'another number',
      withLink({ ...vxlanLink(near), vxlan: { vni: 9, port: 4789, local: '192.168.0.1' } }),
      'vxlan',
      /should have number 4097/,
    ],
    [
      'another source',
      withLink({ ...vxlanLink(near), vxlan: { vni: 4097, port: 4789, local: '192.168.0.7' } }),
      'vxlan',
      /accept those from 192\.168\.0\.1/,
    ],
    ['nobody', { ...WELL, way: NOBODY }, 'row', /no node says where .* is; the kernel keeps an old way/],
    ['tables on the way', { ...WELL, way: { ...NOBODY, hold: 'catching-up' } }, 'row', /has just begun to listen/],
    ['no gossip', { ...gossip({ isRunning: false }), way: NOBODY }, 'row', /there is no gossip/],
    ['a row that is not followed', refused('bad-mac'), 'row', /not followed: its hardware address/],
    ['a row that leads here', refused('own-vtep'), 'row', /leads to this host/],
    [
      'two hosts with one address',
      way({
        claims: [
          ...WAY.claims,
          { row: { ...ROW, value: { ...ROW.value, tunnelIp: '192.168.0.3' } }, refusal: undefined },
        ],
      }),
      'row',
      /192\.168\.0\.3 claims it too/,
    ],
    ['no neighbour row', overlay({ neighbours: new Map() }), 'neighbour-row', /no neighbour row/],
    ['an old neighbour row', overlay({ neighbours: new Map([[FAR_IP, HERE.mac]]) }), 'neighbour-row', /and it is at/],
    ['no forwarding row', overlay({ forwardings: new Map() }), 'forwarding-row', /no forwarding row/],
    [
      'a wrong host',
      overlay({ forwardings: new Map([[FAR_MAC, { vtep: '192.168.0.7', isStatic: true }]]) }),
      'forwarding-row',
      /to host 192\.168\.0\.7, and it is on 192\.168\.0\.2/,
    ],
    [
      'a row that was learned',
      overlay({ forwardings: new Map([[FAR_MAC, { vtep: '192.168.0.2', isStatic: false }]]) }),
      'forwarding-row',
      /only learned/,
    ],
    ['a shared hardware address', way({ forwardTo: '192.168.0.3' }), 'forwarding-row', /several addresses/],
    [
      'no way between hosts',
      { ...WELL, underlay: { ...WELL.underlay, route: undefined } },
      'underlay',
      /no route to 192\.168\.0\.2$/,
    ],
    [
      'a wire that is down',
      { ...WELL, underlay: { ...WELL.underlay, links: byName(link('up0', { isUp: false })) } },
      'underlay',
      /up0 is down/,
    ],
    [
      'a wire without carrier',
      { ...WELL, underlay: { ...WELL.underlay, links: byName(link('up0', { operState: 2 })) } },
      'underlay',
      /has no carrier/,
    ],
    [
      'a wire too narrow',
      { ...WELL, underlay: { ...WELL.underlay, links: byName(link('up0', { mtu: 1499 })) } },
      'underlay',
      /carries 1499 bytes.*need 1500/,
    ],
    [
      'a route too narrow',
      { ...WELL, underlay: { ...WELL.underlay, route: { ...WELL.underlay.route, mtu: 1400 } } },
      'underlay',
      /carries 1400/,
    ],
    ['a node nobody knows', gossip({ peer: undefined }), 'node', /not known by gossip/],
    [
      'a node in doubt',
      gossip({ peer: { ...WELL.gossip.peer, state: 'suspect', sinceMs: 2400 } }),
      'node',
      /suspect for 2 s/,
    ],
    ['a node that failed', gossip({ peer: { ...WELL.gossip.peer, status: 'failed' } }), 'node', /do not count: failed/],
    [
      'a virtual address',
      gossip({ service: { name: 'web', tasks: [{ name: 'web.1', ip: '10.0.1.7' }] } }),
      'service',
      /behind it web\.1 at 10\.0\.1\.7; balancing/,
    ],
    [
      'a row for a container here',
      { ...BESIDE_WELL, overlay: { ...WELL.overlay, neighbours: new Map([['10.0.1.6', FAR_MAC]]) } },
      'neighbour-row',
      /takes its packets away/,
    ],
    [
      'a container here without port',
      { ...BESIDE_WELL, overlay: without(otherPort.inner.name).overlay },
      'target-port',
      /is not there/,
    ],
    ['a container here that ended', { ...BESIDE_WELL, target: undefined }, 'target-interface', /is gone/],
    [
      'a container here without address',
      { ...BESIDE_WELL, target: { links: byName(link('eth0')) } },
      'target-interface',
      /lacks the address/,
    ],
    ['another network', { ...WELL, network: undefined, elsewhere: ['other'] }, 'network', /belongs to network other/],
  ])('names %s', (_, facts, step, found) => {
    const hop = firstWrong(facts);
    expect(hop).toMatchObject({ step, found: expect.stringMatching(found) });
    expect(hop?.mend).toMatch(/\S/);
  });

  it('does not leave a container that asks for itself', () => {
    expect(walk({ ...WELL, address: '10.0.1.5' }).hops).toMatchObject([{ step: 'network', verdict: 'ok' }]);
  });

  it('only notes what is no reason for packets to be lost', () => {
    expect(firstWrong(container({ neighbour: { ip: FAR_IP, mac: undefined } }))).toBeUndefined();
    expect(firstWrong({ ...WELL, network: undefined, address: '192.0.2.1' })).toBeUndefined();
    expect(
      firstWrong({ ...WELL, address: '10.0.1.1', way: NOBODY, container: { ...WELL.container, neighbour: undefined } }),
    ).toBeUndefined();
  });
});
