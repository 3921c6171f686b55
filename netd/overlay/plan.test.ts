import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DesiredNetwork } from '../desired.ts';
import type { LocalEndpoint } from './endpoint.ts';
import { macOfIp } from './mac.ts';
import { ModelKernel } from './model-kernel.ts';
import { type OverlayOp, opText } from './op.ts';
import { planNetwork, planRows, type Wanted } from './plan.ts';
import { localAddresses, viewOf } from './view.ts';
import { type PeerRow, Winners } from './winners.ts';

const VTEP = '192.168.50.1';
const NETWORK: DesiredNetwork = {
  id: '3kqz1abcdefghijklmnopqrst',
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

/** One node's side of a network, and the kernel under it. */
class Stage {
  readonly kernel = new ModelKernel();
  readonly winners: Winners;
  endpoints: LocalEndpoint[] = [];
  holdDeletes = false;
  #time = 0n;

  constructor() {
    this.winners = new Winners({
      subnets: this.#wanted().view.segments.map(({ cidr }) => cidr),
      vtep: VTEP,
      local: new Set(),
    });
    this.#ground();
  }

  row(key: string, ip: string, vtep: string, mac = macOfIp(ip)): string[] {
    this.#time++;
    const row: PeerRow = {
      key,
      owner: `node-${vtep}`,
      time: this.#time,
      value: { ip, prefixLength: 24, mac, tunnelIp: vtep },
    };
    return this.winners.put(row);
  }

  join(ip: string): void {
    const endpointId = `e-${ip}`;
    this.leave(ip);
    this.endpoints.push({ networkId: NETWORK.id, endpointId, address: `${ip}/24`, mac: macOfIp(ip), sandboxKey: '/s' });
    this.#ground();
  }

  leave(ip: string): void {
    this.endpoints = this.endpoints.filter(({ endpointId }) => endpointId !== `e-${ip}`);
    this.#ground();
  }

  wanted(): Wanted {
    const { view } = this.#wanted();
    return { view, rows: { winners: this.winners, local: this.#local(), holdDeletes: this.holdDeletes } };
  }

  /** A full pass; `each` sees the kernel after every op. */
  pass(each: (op: OverlayOp) => void = () => undefined): string[] {
    const ops = planNetwork(this.wanted(), this.kernel.observe(), this.kernel.rows());
    for (const op of ops) {
      this.kernel.apply(op);
      each(op);
    }
    return ops.map(opText);
  }

  /** The host packets to an address go to. */
  way(ip: string): string | undefined {
    return this.kernel.wayTo(this.vxlan(ip), ip);
  }

  vxlan(ip: string): string {
    return this.wanted().view.segments[ip.startsWith('10.0.2.') ? 1 : 0]?.vxlan.name ?? '';
  }

  #wanted() {
    const view = viewOf(NETWORK, this.endpoints, { vtep: VTEP, dataPathPort: 4789, isLocal: true });
    if (typeof view === 'string') throw new Error(view);
    return { view };
  }

  #local(): Set<string> {
    return localAddresses(NETWORK, this.endpoints);
  }

  #ground(): void {
    const subnets = this.#wanted().view.segments.map(({ cidr }) => cidr);
    this.winners?.setGround({ subnets, vtep: VTEP, local: this.#local() });
  }
}

describe('planNetwork', () => {
  test('builds a network from nothing, in an order that works', () => {
    const stage = new Stage();
    stage.row('r1', '10.0.1.5', '192.168.50.2');
    stage.join('10.0.1.9');
    const [first, second] = stage.wanted().view.segments;
    const port = stage.wanted().view.ports[0];
    expect(stage.pass()).toEqual([
      'ip netns add ov-3kqz1abcdefghijklmnopqrst',
      'sysctl net.ipv4.ip_forward=1',
      'sysctl net.bridge.bridge-nf-call-iptables=0',
      `ip link add ${first?.bridge.name} mtu 1450 type bridge`,
      `ip address add 10.0.1.1/24 dev ${first?.bridge.name}`,
      `ip link set ${first?.bridge.name} up`,
      `ip link add ${first?.vxlan.name} mtu 1450 type vxlan id 4097 dstport 4789 local 192.168.50.1 nolearning proxy`,
      `ip link set ${first?.vxlan.name} master ${first?.bridge.name}`,
      `ip link set ${first?.vxlan.name} up`,
      `ip link add ${second?.bridge.name} mtu 1450 type bridge`,
      `ip address add 10.0.2.1/24 dev ${second?.bridge.name}`,
      `ip link set ${second?.bridge.name} up`,
      `ip link add ${second?.vxlan.name} mtu 1450 type vxlan id 4098 dstport 4789 local 192.168.50.1 nolearning proxy`,
      `ip link set ${second?.vxlan.name} master ${second?.bridge.name}`,
      `ip link set ${second?.vxlan.name} up`,
      `ip link add ${port?.inner.name} mtu 1450 type veth peer ${port?.outer.name} address 02:42:0a:00:01:09`,
      `ip link set ${port?.inner.name} master ${first?.bridge.name}`,
      `ip link set ${port?.inner.name} up`,
      `bridge fdb replace 02:42:0a:00:01:05 dev ${first?.vxlan.name} dst 192.168.50.2 self permanent`,
      `ip neighbour replace 10.0.1.5 lladdr 02:42:0a:00:01:05 dev ${first?.vxlan.name} nud permanent`,
    ]);
    expect(stage.pass()).toEqual([]);
  });

  test('an address that becomes local is led away by no row when its endpoint starts', () => {
    const stage = new Stage();
    stage.row('r1', '10.0.1.5', '192.168.50.2');
    stage.pass();
    stage.join('10.0.1.5');
    const vxlan = stage.vxlan('10.0.1.5');
    let pairs = 0;
    stage.pass((op) => {
      if (op.kind !== 'pair-add') return;
      pairs++;
      expect(stage.kernel.links?.get(vxlan)?.neighbours.has('10.0.1.5')).toBe(false);
    });
    expect(pairs).toBe(1);
    expect(stage.kernel.links?.get(vxlan)?.forwardings.size).toBe(0);
  });

  test('an address that moves to another host is replaced in place', () => {
    const stage = new Stage();
    stage.row('r1', '10.0.1.5', '192.168.50.2');
    stage.pass();
    const dirty = stage.row('r2', '10.0.1.5', '192.168.50.3');
    const late = stage.winners.remove('r1');
    const vxlan = stage.vxlan('10.0.1.5');
    expect(planRows(stage.wanted(), stage.kernel.rows(), new Set([...dirty, ...late])).map(opText)).toEqual([
      `bridge fdb replace 02:42:0a:00:01:05 dev ${vxlan} dst 192.168.50.3 self permanent`,
    ]);
  });

  test('a device that cannot be changed is made anew, with its rows', () => {
    const stage = new Stage();
    stage.row('r1', '10.0.1.5', '192.168.50.2');
    stage.pass();
    const link = stage.kernel.links?.get(stage.vxlan('10.0.1.5'));
    if (link?.vxlan) link.vxlan = { ...link.vxlan, local: '192.168.99.99' };
    expect(stage.pass().map((text) => text.split(' ').slice(0, 3).join(' '))).toEqual([
      'ip link delete',
      'ip link add',
      'ip link set',
      'ip link set',
      'bridge fdb replace',
      'ip neighbour replace',
    ]);
    expect(stage.way('10.0.1.5')).toBe('192.168.50.2');
  });

  test('while deletes are held, rows stay, but not those of local addresses', () => {
    const stage = new Stage();
    stage.row('r1', '10.0.1.5', '192.168.50.2');
    stage.row('r2', '10.0.1.6', '192.168.50.2');
    stage.pass();
    stage.winners.remove('r1');
    stage.winners.remove('r2');
    stage.holdDeletes = true;
    stage.join('10.0.1.6');
    stage.pass();
    expect([stage.way('10.0.1.5'), stage.way('10.0.1.6')]).toEqual(['192.168.50.2', undefined]);
    stage.holdDeletes = false;
    stage.pass();
    expect(stage.way('10.0.1.5')).toBeUndefined();
  });
});

const IPS = ['10.0.1.5', '10.0.1.6', '10.0.1.7', '10.0.2.5', '10.0.2.6'] as const;
const VTEPS = ['192.168.50.2', '192.168.50.3', '192.168.50.4'] as const;
const KEYS = ['k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7'] as const;

const ip = fc.constantFrom(...IPS);
const event = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      what: fc.constant('row' as const),
      key: fc.constantFrom(...KEYS),
      ip,
      vtep: fc.constantFrom(...VTEPS),
      // Forced addresses, which several endpoints may share, and those that follow from the IP.
      mac: fc.option(fc.constantFrom('02:aa:00:00:00:01', '02:aa:00:00:00:02'), { nil: undefined, freq: 3 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ what: fc.constant('gone' as const), key: fc.constantFrom(...KEYS) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constantFrom('join' as const, 'leave' as const), ip }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('stranger' as const), harm: fc.nat(9), pick: fc.nat(100) }) },
);
type Event = typeof event extends fc.Arbitrary<infer T> ? T : never;

/** What somebody else with root does. */
function stranger(kernel: ModelKernel, harm: number, pick: number): void {
  const links = [...(kernel.links?.entries() ?? [])];
  const [name, link] = links[pick % Math.max(1, links.length)] ?? [];
  if (name === undefined || link === undefined) return;
  const [way] = link.forwardings.keys();
  const [neighbour] = link.neighbours.keys();
  const harms = [
    () => kernel.deleteLink(name),
    () => (link.isUp = false),
    () => (link.master = undefined),
    () => link.addresses.clear(),
    () => link.addresses.add('10.0.1.77/24'),
    () => way && link.forwardings.set(way, '192.168.50.99'),
    () => neighbour && link.neighbours.delete(neighbour),
    () => link.kind === 'vxlan' && link.neighbours.set('10.0.1.99', '02:42:0a:00:01:63'),
    () => (kernel.links = undefined),
    () => (kernel.isNamed = false),
  ];
  harms[harm]?.();
  // A device that goes down forgets its neighbours.
  if (!link.isUp) link.neighbours.clear();
}

describe('whatever happens', () => {
  const apply = (stage: Stage, event: Event): readonly string[] => {
    switch (event.what) {
      case 'row':
        return stage.row(event.key, event.ip, event.vtep, event.mac);
      case 'gone':
        return stage.winners.remove(event.key);
      case 'join':
        stage.join(event.ip);
        return [];
      case 'leave':
        stage.leave(event.ip);
        return [];
      case 'stranger':
        stranger(stage.kernel, event.harm, event.pick);
        return [];
    }
  };

  test('a pass reaches what is wanted, a second finds nothing to do, and every remote address has its way', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), fc.nat(3), (events, seldom) => {
        const stage = new Stage();
        for (const [i, one] of events.entries()) {
          apply(stage, one);
          if (i % (seldom + 1) === 0) stage.pass();
        }
        stage.pass();
        expect(stage.pass()).toEqual([]);
        for (const address of IPS) {
          const winner = stage.winners.winner(address);
          const vtep = winner && stage.winners.forwarding(winner.subnet, winner.mac)?.vtep;
          expect(stage.way(address)).toBe(vtep);
        }
      }),
    );
  });

  test('the cheap pass after a row event leaves nothing for a full one', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const stage = new Stage();
        stage.pass();
        for (const one of events) {
          if (one.what === 'stranger') continue;
          const dirty = apply(stage, one);
          if (one.what === 'join' || one.what === 'leave') stage.pass();
          const kernel = stage.kernel.rows();
          for (const op of planRows(stage.wanted(), kernel, dirty)) stage.kernel.apply(op);
          expect(planNetwork(stage.wanted(), stage.kernel.observe(), stage.kernel.rows()).map(opText)).toEqual([]);
        }
      }),
    );
  });

  test('no op of a pass leaves an address without a way that had one and will have one', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), (events) => {
        const stage = new Stage();
        stage.pass();
        for (const one of events) {
          if (one.what === 'stranger') continue;
          apply(stage, one);
          const had = IPS.filter((address) => stage.way(address) !== undefined);
          const kept = had.filter((address) => stage.winners.winner(address) !== undefined);
          stage.pass((op) => {
            for (const address of kept) expect(stage.way(address), `${address} after ${opText(op)}`).toBeDefined();
          });
        }
      }),
    );
  });
});
