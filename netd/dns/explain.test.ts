import { describe, expect, it } from 'vitest';
import type { Endpoint } from '../gossip/records.ts';
import { TYPE } from './codes.ts';
import { explain } from './explain.ts';
import { NetworkNames } from './names.ts';

const names = new NetworkNames();
const WEB: Endpoint = {
  name: 'web.1.abc',
  service: { id: 's1', name: 'web' },
  virtualIp: '10.0.0.2',
  ip: '10.0.0.5',
  ingressPorts: [],
  aliases: [],
  taskAliases: [],
  disabled: false,
};
names.put('e1', WEB);
names.put('e2', { ...WEB, name: 'web.2.def', ip: '10.0.0.6' });
const zone = { networks: [{ name: 'plain', names }], ndotsExplicit: true };
const SERVERS = [{ address: '10.9.9.9', from: 'host' }] as const;

describe('an explanation', () => {
  it.each<[string, number, object]>([
    [
      'web.plain.',
      TYPE.A,
      {
        kind: 'addresses',
        network: 'plain',
        addresses: [
          {
            address: '10.0.0.2',
            endpoints: [
              { id: 'e1', name: 'web.1.abc' },
              { id: 'e2', name: 'web.2.def' },
            ],
          },
        ],
      },
    ],
    ['web', TYPE.AAAA, { kind: 'no-records', reason: 'the name has no address of this family' }],
    ['nosuch', TYPE.A, { kind: 'no-records', reason: 'ndots is set: single labels are for the search list' }],
    ['6.0.0.10.in-addr.arpa', TYPE.PTR, { kind: 'pointer', target: 'web.2.def.plain' }],
    ['www.example', TYPE.A, { kind: 'forward', servers: SERVERS }],
  ])('of %s', (name, type, outcome) => {
    expect(explain(zone, SERVERS, name, type)).toMatchObject({ searched: ['plain'], outcome });
  });

  it('tells what every network has of the name, in the order they are asked', () => {
    const other = new NetworkNames();
    other.put('e9', { ...WEB, name: 'plain', ip: '10.1.0.9', virtualIp: undefined });
    other.put('e8', { ...WEB, name: 'web.plain', ip: '10.1.0.8', virtualIp: undefined, service: undefined });
    const networks = [...zone.networks, { name: 'other', names: other }];
    const recordsOf = (name: string) => explain({ ...zone, networks }, SERVERS, name, TYPE.A).records;
    expect(recordsOf('WEB')).toEqual([
      { network: 'plain', key: 'web', addresses: ['10.0.0.2'] },
      { network: 'other', key: 'web', addresses: ['10.1.0.9'] },
    ]);
    expect(recordsOf('web.plain')).toEqual([
      { network: 'other', key: 'web.plain', addresses: ['10.1.0.8'] },
      { network: 'plain', key: 'web', addresses: ['10.0.0.2'] },
    ]);
    expect(recordsOf('nobody')).toEqual([]);
  });

  it('says when there is nobody to ask', () => {
    expect(explain(zone, [], 'www.example', TYPE.TXT)).toMatchObject({ type: 'TXT', outcome: { kind: 'servfail' } });
  });
});
