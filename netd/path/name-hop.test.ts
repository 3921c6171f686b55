import { describe, expect, it } from 'vitest';
import type { Explanation } from '../dns/explain.ts';
import type { Endpoint } from '../gossip/records.ts';
import type { NetworkSnapshot } from '../gossip/tables.ts';
import type { LocalContainer } from '../local-containers.ts';
import type { LocalEndpoint } from '../overlay/endpoint.ts';
import type { Origin } from './facts.ts';
import { nameHop } from './name-hop.ts';
import { addressesNamed, namesThere, serviceAt } from './who.ts';

const ENDPOINT: LocalEndpoint = {
  networkId: 'n1',
  endpointId: 'e1',
  address: '10.0.1.5/24',
  mac: '02:42:0a:00:01:05',
  sandboxKey: '/ns/a',
};
const ORIGIN: Origin = { name: 'web.1.t', networks: [{ id: 'n1', name: 'front', subnets: [], endpoint: ENDPOINT }] };
const WEB: LocalContainer = {
  sandboxKey: '/ns/a',
  name: 'web.1.t',
  taskId: 't',
  service: 'web',
  aliases: ['0123456789ab'],
  endpoints: [ENDPOINT],
};

function row(name: string, ip: string, changes: Partial<Endpoint> = {}) {
  const none = { service: undefined, virtualIp: undefined, ingressPorts: [], aliases: [], taskAliases: [] };
  return { key: name, owner: 'node2', time: 1n, value: { name, ip, ...none, disabled: false, ...changes } };
}
const DB = { id: 's2', name: 'db' };
const snapshot = (network: string, ...endpoints: ReturnType<typeof row>[]): NetworkSnapshot => {
  return { network, nodes: [], endpoints, peers: [], unreadable: 0 };
};
const FRONT = snapshot(
  'n1',
  row('db.1.u', '10.0.1.7', { service: DB, virtualIp: '10.0.1.3', aliases: ['store'], taskAliases: ['fedcba987654'] }),
  row('db.2.v', '10.0.1.8', { service: DB, virtualIp: '10.0.1.3', disabled: true }),
);
const BACK = snapshot('n2', row('guest', '10.0.2.9'));
const NETWORKS = [
  { id: 'n1', name: 'front', snapshot: FRONT },
  { id: 'n2', name: 'back', snapshot: BACK },
];
const named = (asked: string) => addressesNamed(NETWORKS, [WEB], asked);

function explained(outcome: Explanation['outcome']): Explanation {
  return { name: 'db', type: 'A', searched: ['front'], records: [], outcome };
}
const FORWARD = explained({ kind: 'forward', servers: [] });

describe('who is called what', () => {
  it.each([
    ['db', ['10.0.1.7', '10.0.1.8']],
    ['store', ['10.0.1.7']],
    ['db.1', ['10.0.1.7']],
    ['u', ['10.0.1.7']],
    ['fedcba987654', ['10.0.1.7']],
    ['guest', ['10.0.2.9']],
    ['web', ['10.0.1.5']],
    ['web.1', ['10.0.1.5']],
    ['0123456789ab', ['10.0.1.5']],
    ['nobody', []],
  ])('%s', (asked, addresses) => {
    expect(named(asked).map(({ address }) => address)).toEqual(addresses);
  });

  it('knows virtual addresses, and what there is', () => {
    expect(serviceAt(FRONT, '10.0.1.3')).toEqual({ name: 'db', tasks: [{ name: 'db.1.u', ip: '10.0.1.7' }] });
    expect(serviceAt(FRONT, '10.0.1.7')).toBeUndefined();
    expect(namesThere(NETWORKS, [WEB])).toBe('db, guest, web');
    expect(namesThere([], [])).toBe('no names at all');
  });
});

describe('the hop of a name', () => {
  it('is what the resolver of the container says', () => {
    const addresses = [{ address: '10.0.1.3', endpoints: [] }];
    const result = nameHop('db', ORIGIN, explained({ kind: 'addresses', network: 'front', addresses }), named('db'));
    expect(result).toMatchObject({ name: { verdict: 'ok' }, addresses: ['10.0.1.3'] });
  });

  it.each<[string, string, Explanation | undefined, string, RegExp, string[]]>([
    ['a name of nobody but us', 'u', FORWARD, 'note', /known as 10\.0\.1\.7/, ['10.0.1.7']],
    ['a name on another network', 'guest', FORWARD, 'wrong', /it is on network back/, []],
    ['no resolver', 'db', undefined, 'wrong', /no resolver of netd serves web\.1\.t/, ['10.0.1.7', '10.0.1.8']],
  ])('tells of %s', (_, asked, explanation, verdict, found, addresses) => {
    const result = nameHop(asked, ORIGIN, explanation, named(asked));
    expect(result).toMatchObject({ name: { verdict, found: expect.stringMatching(found) }, addresses });
  });

  it('is none for a name that nobody has', () => {
    expect(nameHop('nobody', ORIGIN, FORWARD, [])).toBeUndefined();
    expect(nameHop('nobody', ORIGIN, undefined, [])).toBeUndefined();
  });
});
