import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkHost, clashOf } from './checks.ts';
import { DriftLog, MOST_MENDED } from './drift.ts';
import { HOLD_MS, nextHold } from './hold.ts';
import { isUnicastMac, macOfIp } from './mac.ts';
import { neededUnderlayMtu, overlayMtu } from './mtu.ts';
import { containerEndOf, isOurLink, linkAlias, linkName, namespaceName, networkOfNamespace } from './names.ts';
import {
  contains,
  ipv4Number,
  ipv4Text,
  isHostAddress,
  overlap,
  parseCidr,
  siblingRoutes,
  subnetIndex,
} from './subnets.ts';
import { viewOf } from './view.ts';

const ID = '3kqz1abcdefghijklmnopqrst';
const ENDPOINT = 'e'.repeat(64);

const cidr = (text: string) => {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new Error(`${text} is no CIDR`);
  return parsed;
};

describe('names', () => {
  test('fit a link, differ by network and role, and stay the same', () => {
    const roles = [
      { kind: 'bridge', subnet: 0 },
      { kind: 'vxlan', subnet: 0 },
      { kind: 'vxlan', subnet: 1 },
      { kind: 'port', endpointId: ENDPOINT },
      { kind: 'container', endpointId: ENDPOINT },
    ] as const;
    const names = [ID, `${ID.slice(0, 24)}x`].flatMap((id) => roles.map((role) => linkName(id, role)));
    expect(new Set(names).size).toBe(10);
    expect(Math.max(...names.map((name) => Buffer.byteLength(name)))).toBeLessThanOrEqual(15);
    // A restart, and an upgrade, must find what an earlier life made.
    expect(linkName(ID, { kind: 'vxlan', subnet: 0 })).toBe('ndx1fde23f57f');
  });

  test('aliases hold the ids, and fit', () => {
    const alias = linkAlias(ID, { kind: 'container', endpointId: ENDPOINT });
    expect(alias).toBe(`netd overlay ${ID} container ${ENDPOINT}`);
    expect(alias.length).toBeLessThan(256);
    expect(containerEndOf(alias)).toBe(ENDPOINT);
    expect(containerEndOf(linkAlias(ID, { kind: 'port', endpointId: ENDPOINT }))).toBeUndefined();
    expect(containerEndOf('eth0')).toBeUndefined();
    expect(isOurLink('ndx1234567890', alias)).toBe(true);
    expect(isOurLink('ndx1234567890', undefined)).toBe(false);
    expect(isOurLink('eth0', alias)).toBe(false);
    expect(networkOfNamespace(namespaceName(ID))).toBe(ID);
    expect(networkOfNamespace('lb-x')).toBeUndefined();
  });
});

describe('MTU arithmetic', () => {
  test.each([
    [undefined, 1450, 1424],
    [1500, 1450, 1424],
    [1400, 1350, 1324],
    [1450, 1400, 1372],
    [9000, 8950, 8924],
  ])('underlay %s: plain %i, encrypted %i', (base, plain, encrypted) => {
    expect(overlayMtu(base, false)).toBe(plain);
    expect(overlayMtu(base, true)).toBe(encrypted);
  });

  test('an option that leaves no room is refused', () => {
    expect([overlayMtu(117, false), overlayMtu(118, false), overlayMtu(-1, false)]).toEqual([undefined, 68, undefined]);
  });

  test('an IPv6 underlay needs 20 bytes more', () => {
    expect([neededUnderlayMtu(1450, '10.0.0.1'), neededUnderlayMtu(1450, 'fd00::1')]).toEqual([1500, 1520]);
  });
});

test('hardware addresses', () => {
  expect(macOfIp('10.0.1.5')).toBe('02:42:0a:00:01:05');
  expect(macOfIp('255.16.0.255')).toBe('02:42:ff:10:00:ff');
  for (const mac of ['02:42:0a:00:01:05', '00:00:00:00:00:01']) expect(isUnicastMac(mac), mac).toBe(true);
  for (const mac of ['00:00:00:00:00:00', '01:00:5e:00:00:01', 'ff:ff:ff:ff:ff:ff', '02:42', '02:42:0A:00:01:05']) {
    expect(isUnicastMac(mac), mac).toBe(false);
  }
});

describe('subnets', () => {
  test('numbers and texts', () => {
    fc.assert(fc.property(fc.nat(0xffffffff), (value) => ipv4Number(ipv4Text(value)) === value));
    for (const text of ['1.2.3', '1.2.3.4.5', '01.2.3.4', '1.2.3.256', '', 'a.b.c.d', '1.2.3.-4', ' 1.2.3.4', '::1']) {
      expect(ipv4Number(text), text).toBeUndefined();
    }
    for (const text of [
      '10.0.0.0',
      '10.0.0.0/33',
      '10.0.0.0/08',
      '10.0.0/8',
      '10.0.0.0/8/8',
      '10.0.0.0/',
      '/8',
      'fd00::/64',
    ]) {
      expect(parseCidr(text), text).toBeUndefined();
    }
    expect(cidr('255.255.255.255/0')).toEqual({ address: 0xffffffff, length: 0 });
  });

  test.each([
    ['10.0.1.0/24', '10.0.1.255', true],
    ['10.0.1.0/24', '10.0.2.0', false],
    ['192.168.0.0/16', '192.168.255.1', true],
    ['0.0.0.0/0', '255.1.2.3', true],
    ['10.0.1.5/32', '10.0.1.5', true],
    ['10.0.1.5/32', '10.0.1.4', false],
  ])('%s contains %s: %s', (subnet, ip, inside) => {
    expect(contains(cidr(subnet), ipv4Number(ip) ?? 0)).toBe(inside);
  });

  test.each([
    ['10.0.0.0/8', '10.0.1.0/24', true],
    ['10.0.1.0/24', '10.0.0.0/8', true],
    ['10.0.1.0/24', '10.0.2.0/24', false],
    ['128.0.0.0/1', '200.0.0.0/8', true],
  ])('%s and %s overlap: %s', (a, b, both) => {
    expect(overlap(cidr(a), cidr(b))).toBe(both);
  });

  test('an address belongs to the subnet with its prefix length, or to none', () => {
    const subnets = [cidr('10.0.1.0/24'), cidr('10.0.2.0/25')];
    expect(subnetIndex(subnets, ipv4Number('10.0.2.9') ?? 0, 25)).toBe(1);
    expect(subnetIndex(subnets, ipv4Number('10.0.2.9') ?? 0, 24)).toBeUndefined();
    expect(subnetIndex(subnets, ipv4Number('10.9.9.9') ?? 0, 24)).toBeUndefined();
    expect(isHostAddress(cidr('10.0.1.0/24'), ipv4Number('10.0.1.0') ?? 0)).toBe(false);
    expect(isHostAddress(cidr('10.0.1.0/24'), ipv4Number('10.0.1.255') ?? 0)).toBe(false);
    expect(isHostAddress(cidr('10.0.1.0/31'), ipv4Number('10.0.1.0') ?? 0)).toBe(true);
  });

  test('each other subnet is reached by the gateway of one own', () => {
    const subnets = [
      { subnet: '10.0.1.0/24', gateway: '10.0.1.1', vni: 1 },
      { subnet: '10.0.2.0/24', gateway: '10.0.2.1', vni: 2 },
      { subnet: '10.0.3.0/24', gateway: '10.0.3.1', vni: 3 },
    ];
    expect(siblingRoutes(subnets, 1)).toEqual([
      { destination: '10.0.1.0/24', nextHop: '10.0.2.1' },
      { destination: '10.0.3.0/24', nextHop: '10.0.2.1' },
    ]);
    expect(siblingRoutes(subnets.slice(0, 1), 0)).toEqual([]);
  });
});

describe('when deletes are held', () => {
  const facts = { nowMs: 0, hasTables: true, isInSync: true, others: 1, before: 5, now: 5 };

  test('without gossip for good, then until the rows have come or a minute is over', () => {
    const silent = nextHold(undefined, { ...facts, hasTables: false });
    expect(silent).toEqual({ reason: 'no-gossip', sinceMs: 0 });
    expect(nextHold(silent, { ...facts, hasTables: false, nowMs: 10 * HOLD_MS })).toEqual(silent);
    const back = nextHold(silent, { ...facts, nowMs: 1000, isInSync: false });
    expect(back).toEqual({ reason: 'catching-up', sinceMs: 1000 });
    expect(nextHold(back, { ...facts, nowMs: 2000, isInSync: false })).toEqual(back);
    // A sync with nobody brings nothing.
    expect(nextHold(back, { ...facts, nowMs: 2000, others: 0, now: 0 })).toEqual(back);
    expect(nextHold(back, { ...facts, nowMs: 2000 })).toBeUndefined();
    expect(nextHold(back, { ...facts, nowMs: 1000 + HOLD_MS, others: 0 })).toBeUndefined();
  });

  test('when all went at once with the last other node, but not when the rows were taken back one by one', () => {
    const lost = nextHold(undefined, { ...facts, now: 0, others: 0 });
    expect(lost).toEqual({ reason: 'suddenly-empty', sinceMs: 0 });
    expect(nextHold(lost, { ...facts, nowMs: HOLD_MS - 1, before: 0, now: 3, others: 1 })).toEqual(lost);
    expect(nextHold(lost, { ...facts, nowMs: HOLD_MS, before: 0, now: 0, others: 0 })).toBeUndefined();
    expect(nextHold(undefined, { ...facts, now: 0, others: 1 })).toBeUndefined();
    expect(nextHold(undefined, { ...facts, before: 0, now: 0, others: 0 })).toBeUndefined();
  });
});

describe('what the host says against a network', () => {
  const network = {
    id: ID,
    name: 'app',
    subnets: [{ subnet: '10.0.1.0/24', gateway: '10.0.1.1', vni: 4097 }],
    underlayMtu: undefined,
    internal: false,
    attachable: true,
    ingress: false,
    encrypted: false,
    loadBalancerAddress: undefined,
  };
  const underlay = { vtep: '192.168.50.1', dataPathPort: 4789, isLocal: true };
  const view = viewOf(network, [], underlay);
  if (typeof view === 'string') throw new Error(view);
  const well = { routes: [], underlay: { link: 'eth0', mtu: 1500 } };

  test('nothing against a usual one', () => {
    const routes = [
      { destination: '0.0.0.0/0', link: 'eth0' },
      { destination: '192.168.50.0/24', link: 'eth0' },
    ];
    expect(checkHost(view, { ...well, routes }, underlay)).toEqual([]);
  });

  test('an overlapping route is named', () => {
    const found = checkHost(view, { ...well, routes: [{ destination: '10.0.0.0/8', link: 'tun0' }] }, underlay);
    expect(found).toMatchObject([{ level: 'warning', code: 'subnet-overlaps-route' }]);
    expect(found[0]?.text).toContain('route 10.0.0.0/8 dev tun0');
  });

  test('a narrow underlay is named, with the option that suits it', () => {
    const found = checkHost(view, { ...well, underlay: { link: 'eth0', mtu: 1450 } }, underlay);
    expect(found).toMatchObject([{ code: 'underlay-mtu' }]);
    expect(found[0]?.text).toContain('eth0 carries 1450');
    expect(found[0]?.text).toContain('com.docker.network.driver.mtu=1450');
  });

  test('a VTEP of nobody here is said', () => {
    expect(checkHost(view, { routes: [], underlay: undefined }, underlay)).toMatchObject([{ code: 'vtep-not-local' }]);
  });

  test('a clash names the other device and where it is', () => {
    const wanted = { vni: 4097, port: 4789 };
    const other = { link: 'vx-001001-3kqz1', namespace: '/run/docker/netns/1-3kqz1abcde', vni: 4097, port: 4789 };
    expect(clashOf(wanted, [{ ...other, port: 7789, link: 'no' }, other])).toContain(
      'vx-001001-3kqz1 in namespace /run/docker/netns/1-3kqz1abcde',
    );
    expect(clashOf(wanted, [{ ...other, namespace: undefined }])).toContain('namespace of the host');
    expect(clashOf(wanted, [])).toContain('does not find');
  });

  test('what cannot be built is said, and encryption fails closed', () => {
    expect(viewOf({ ...network, encrypted: true }, [], underlay)).toBe(
      'encrypted overlay networks are not supported yet',
    );
    expect(viewOf({ ...network, subnets: [] }, [], underlay)).toContain('no IPv4 subnet');
    expect(viewOf({ ...network, underlayMtu: 100 }, [], underlay)).toContain('mtu=100');
    const [subnet] = network.subnets;
    expect(subnet && viewOf({ ...network, subnets: [{ ...subnet, vni: 2 ** 24 }] }, [], underlay)).toContain('24 bits');
    expect(subnet && viewOf({ ...network, subnets: [{ ...subnet, subnet: 'fd00::/64' }] }, [], underlay)).toContain(
      'fd00::/64',
    );
  });
});

describe('drift', () => {
  const op = { kind: 'fdb-replace', link: 'ndx0', mac: '02:42:0a:00:01:05', vtep: '192.168.50.2' } as const;

  test('what is mended is remembered, what is not stays open with its first time', () => {
    const log = new DriftLog();
    log.pass(ID, 1000, true, [op], new Map([[op, 'EPERM']]));
    log.pass(ID, 2000, true, [op], new Map([[op, 'EPERM']]));
    expect(log.open).toMatchObject([{ sinceMs: 1000, error: 'EPERM', mendedMs: undefined }]);
    log.pass(ID, 3000, true, [op], new Map());
    expect(log.open).toEqual([]);
    expect(log.mended).toMatchObject([{ sinceMs: 1000, mendedMs: 3000 }]);
    expect(log.mended[0]?.what).toContain('no forwarding row 02:42:0a:00:01:05');
    expect(log.total).toBe(3);
  });

  test('is bounded, and counts all the same', () => {
    const log = new DriftLog();
    for (let i = 0; i < 10; i++) {
      const ops = Array.from({ length: 1000 }, (_, n) => ({ ...op, vtep: `192.168.${i}.${n}` }));
      log.pass(ID, i, true, ops, new Map());
    }
    expect(log.mended.length).toBe(MOST_MENDED);
    expect(log.total).toBe(10_000);
    log.pass('other', 11, true, [{ kind: 'link-up', link: 'ndb0' }], new Map());
    expect(log.counts).toEqual({ namespace: 0, sysctl: 0, link: 1, address: 0, neighbour: 0, forwarding: 10_000 });
    expect([log.found(ID), log.found('other')]).toEqual([10_000, 1]);
    log.forget('other');
    expect([log.found('other'), log.total]).toEqual([0, 10_001]);
  });
});
