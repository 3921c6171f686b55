import { describe, expect, it } from 'vitest';
import type { Endpoint } from '../gossip/records.ts';
import { ipText } from '../gossip/wire/ip.ts';
import { NetworkNames } from './names.ts';
import { lowerCase } from './query.ts';
import { findName, findPointer, type SearchedNetwork, searchOrder } from './search.ts';

const network = (name: string, facts: Partial<SearchedNetwork> = {}): SearchedNetwork => ({
  id: `id-${name}`,
  name,
  internal: false,
  ingress: false,
  gatewayPriority: 0,
  ...facts,
});

describe('the networks of a container', () => {
  it.each<[string, SearchedNetwork[], string[]]>([
    ['by name', [network('b'), network('a'), network('C')], ['C', 'a', 'b']],
    ['those that lead outside first', [network('a', { internal: true }), network('b')], ['b', 'a']],
    [
      'the chosen gateway before all',
      [network('a'), network('b', { internal: true, gatewayPriority: 1 }), network('c', { gatewayPriority: -1 })],
      ['b', 'a', 'c'],
    ],
    ['the ingress network never', [network('ingress', { ingress: true }), network('z')], ['z']],
    ['by id when names are equal', [network('a', { id: '2' }), network('a', { id: '1' })], ['a', 'a']],
  ])('are searched %s', (_, networks, order) => {
    const sorted = searchOrder(networks);
    expect(sorted.map(({ name }) => name)).toEqual(order);
    expect(searchOrder(networks.toReversed())).toEqual(sorted);
  });
});

function names(entries: Readonly<Record<string, string>>): NetworkNames {
  const result = new NetworkNames();
  for (const [name, ip] of Object.entries(entries)) {
    const endpoint: Endpoint = {
      name,
      service: undefined,
      virtualIp: undefined,
      ip,
      ingressPorts: [],
      aliases: [],
      taskAliases: [],
      disabled: false,
    };
    result.put(name, endpoint);
  }
  return result;
}

describe('a name', () => {
  const list = [
    { name: 'front', names: names({ web: '10.0.0.1', 'a.b': '10.0.0.2', 'db.back': '10.0.0.3' }) },
    { name: 'back', names: names({ web: '10.1.0.1', db: '10.1.0.2', only: '10.1.0.3' }) },
    { name: 'my.net', names: names({ web: '10.2.0.1', 'x.y': '10.2.0.2' }) },
    { name: 'Net', names: names({ web: '10.3.0.1' }) },
  ];
  it.each<[string, string | undefined]>([
    ['web', '10.0.0.1'],
    ['WEB', '10.0.0.1'],
    ['only', '10.1.0.3'],
    ['web.front', '10.0.0.1'],
    ['web.back', '10.1.0.1'],
    ['WEB.back', '10.1.0.1'],
    ['web.BACK', undefined],
    ['web.Net', '10.3.0.1'],
    ['web.net', undefined],
    ['a.b', '10.0.0.2'],
    ['a.b.front', '10.0.0.2'],
    ['db.back', '10.0.0.3'], // whole on any network, before `db` on `back`
    ['db.back.front', '10.0.0.3'],
    ['web.my.net', '10.2.0.1'],
    ['x.y.my.net', '10.2.0.2'],
    ['x.y', '10.2.0.2'],
    ['db.my.net', undefined],
    ['.back', undefined],
    ['web.', undefined],
    ['', undefined],
    ['web.nowhere', undefined],
    ['nosuch', undefined],
  ])('%j is %s', (name, ip) => {
    const found = findName(list, name, lowerCase(name));
    expect(found?.addresses.v4.map((bytes) => ipText(bytes)).join()).toBe(ip);
  });

  it('of an address is that of the first network which knows it, in full', () => {
    expect(findPointer(list, '10.1.0.2')).toBe('db.back');
    expect(findPointer(list, '10.2.0.2')).toBe('x.y.my.net');
    expect(findPointer(list, '10.9.9.9')).toBeUndefined();
  });
});
