import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { macOfIp } from './mac.ts';
import { parseCidr } from './subnets.ts';
import { type PeerRow, Winners } from './winners.ts';

const OURS = '192.168.50.1';
const subnets = ['10.0.1.0/24', '10.0.2.0/24'].flatMap((text) => parseCidr(text) ?? []);

function winners(local: readonly string[] = []) {
  return new Winners({ subnets, vtep: OURS, local: new Set(local) });
}

function row(key: string, time: bigint, fields: Partial<PeerRow['value'] & { owner: string }> = {}): PeerRow {
  const { owner = 'n1', ...value } = fields;
  const ip = value.ip ?? '10.0.1.5';
  return { key, owner, time, value: { ip, prefixLength: 24, mac: macOfIp(ip), tunnelIp: '192.168.50.2', ...value } };
}

describe('winners', () => {
  test('the latest row wins, whatever the order of arrival', () => {
    const all = winners();
    expect(all.put(row('a', 5n))).toEqual(['10.0.1.5']);
    all.put(row('b', 7n, { tunnelIp: '192.168.50.3' }));
    all.put(row('c', 6n, { tunnelIp: '192.168.50.4' }));
    expect(all.winner('10.0.1.5')).toMatchObject({ vtep: '192.168.50.3', subnet: 0 });
    expect(all.remove('a')).toEqual(['10.0.1.5']);
    expect(all.winner('10.0.1.5')).toMatchObject({ vtep: '192.168.50.3' });
    all.remove('b');
    expect(all.winner('10.0.1.5')).toMatchObject({ vtep: '192.168.50.4' });
    all.remove('c');
    expect([all.size, all.rows]).toEqual([0, 0]);
  });

  test('ties go by the name of the node, and a contested address is reported with all its claims', () => {
    const all = winners();
    all.put(row('b', 5n, { owner: 'n2', tunnelIp: '192.168.50.3' }));
    all.put(row('a', 5n, { owner: 'n1', tunnelIp: '192.168.50.2' }));
    expect(all.winner('10.0.1.5')?.row.owner).toBe('n1');
    expect(all.contested()).toMatchObject([{ ip: '10.0.1.5', rows: [{ owner: 'n1' }, { owner: 'n2' }] }]);
    all.remove('b');
    expect(all.contested()).toEqual([]);
  });

  test('a row whose node is gone counts until it is forgotten, and less than any other', () => {
    const all = winners();
    all.put(row('a', 9n));
    expect(all.lose('a', 1000)).toEqual(['10.0.1.5']);
    expect(all.winner('10.0.1.5')).toMatchObject({ vtep: '192.168.50.2' });
    // Its address went to another host, which nobody disputes.
    all.put(row('b', 5n, { owner: 'n2', tunnelIp: '192.168.50.3' }));
    expect(all.winner('10.0.1.5')).toMatchObject({ vtep: '192.168.50.3' });
    expect(all.contested()).toEqual([]);
    all.remove('b');
    expect(all.winner('10.0.1.5')).toMatchObject({ vtep: '192.168.50.2' });
    // Nor if it is this one.
    all.setGround({ subnets, vtep: OURS, local: new Set(['10.0.1.5']) });
    expect([all.winner('10.0.1.5'), all.contested()]).toEqual([undefined, []]);
    all.setGround({ subnets, vtep: OURS, local: new Set() });
    expect(all.forgetLost(999)).toEqual([]);
    // It is back, and was never away.
    all.put(row('a', 9n));
    expect(all.forgetLost(1000)).toEqual([]);
    all.lose('a', 1000);
    expect(all.forgetLost(1000)).toEqual(['10.0.1.5']);
    expect([all.size, all.rows]).toEqual([0, 0]);
  });

  test.each([
    ['own-vtep', { tunnelIp: OURS }],
    ['local-address', { ip: '10.0.1.9' }],
    ['outside-subnets', { ip: '10.0.3.5' }],
    ['outside-subnets', { prefixLength: 16 }],
    ['wrong-family', { ip: 'fd00::5', prefixLength: 64, mac: '02:42:0a:00:01:05' }],
    ['wrong-family', { tunnelIp: 'fd00::2' }],
    ['bad-mac', { mac: '01:00:5e:00:00:01' }],
    ['bad-mac', { mac: '00:00:00:00:00:00' }],
    ['bad-vtep', { tunnelIp: '224.0.0.1' }],
    ['bad-vtep', { tunnelIp: '0.0.0.0' }],
    ['bad-vtep', { tunnelIp: '127.0.0.1' }],
  ] as const)('a row is not acted upon: %s %o', (reason, fields) => {
    const all = winners(['10.0.1.9']);
    all.put(row('a', 1n, fields));
    expect([...all.refused()]).toEqual([['a', reason]]);
    expect(all.size).toBe(0);
    // The next version of the row may be fine.
    all.put(row('a', 2n, { ip: '10.0.1.7' }));
    expect(all.refused().size).toBe(0);
    expect(all.size).toBe(1);
  });

  test('rows of this host are none of others', () => {
    const all = winners();
    all.put(row('ours', 1n, { tunnelIp: OURS }));
    expect([all.rows, all.othersRows()]).toEqual([1, 0]);
    all.put(row('theirs', 1n));
    all.put(row('wrong', 1n, { mac: '00:00:00:00:00:00' }));
    expect([all.rows, all.othersRows()]).toEqual([3, 2]);
  });

  test('a claim on an address of ours is contested', () => {
    const all = winners();
    all.put(row('a', 1n));
    expect(all.setGround({ subnets, vtep: OURS, local: new Set(['10.0.1.5', '10.0.1.1']) })).toContain('10.0.1.5');
    expect(all.winner('10.0.1.5')).toBeUndefined();
    expect(all.contested().map(({ ip }) => ip)).toEqual(['10.0.1.5']);
    all.setGround({ subnets, vtep: OURS, local: new Set() });
    expect(all.winner('10.0.1.5')).toBeDefined();
    expect(all.contested()).toEqual([]);
  });

  test('addresses that share a hardware address share one way, that of the latest', () => {
    const all = winners();
    const mac = '02:aa:00:00:00:01';
    all.put(row('a', 1n, { ip: '10.0.1.5', mac }));
    all.put(row('b', 2n, { ip: '10.0.1.6', mac, tunnelIp: '192.168.50.3' }));
    expect(all.forwarding(0, mac)?.vtep).toBe('192.168.50.3');
    expect(all.forwarding(1, mac)).toBeUndefined();
    all.remove('b');
    expect(all.forwarding(0, mac)?.vtep).toBe('192.168.50.2');
    all.remove('a');
    expect(all.forwarding(0, mac)).toBeUndefined();
  });

  test('the same rows come to the same winners in any order, with any detours', () => {
    const one = fc.record({
      key: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
      time: fc.bigInt(1n, 3n),
      owner: fc.constantFrom('n1', 'n2', 'n3'),
      ip: fc.constantFrom('10.0.1.5', '10.0.1.6', '10.0.2.5', '10.0.9.9'),
      tunnelIp: fc.constantFrom(OURS, '192.168.50.2', '192.168.50.3'),
    });
    fc.assert(
      fc.property(fc.uniqueArray(one, { selector: ({ key }) => key }), fc.array(one), fc.nat(), (rows, detours, at) => {
        const make = ({ key, time, ...fields }: (typeof rows)[number]) => row(key, time, fields);
        const local = ['10.0.1.6'];
        const straight = winners(local);
        for (const each of rows) straight.put(make(each));
        const crooked = winners();
        const order = [...rows.slice(at % (rows.length + 1)), ...rows.slice(0, at % (rows.length + 1))];
        for (const each of detours) crooked.put(make(each));
        for (const { key } of detours) crooked.remove(key);
        for (const each of order.toReversed()) crooked.put(make(each));
        crooked.setGround({ subnets, vtep: OURS, local: new Set(local) });
        const sorted = (all: Winners) => [...all.winners()].sort((a, b) => (a.ip < b.ip ? -1 : 1));
        expect(sorted(crooked)).toEqual(sorted(straight));
        expect(new Map([...crooked.refused()].sort())).toEqual(new Map([...straight.refused()].sort()));
        const ips = (all: Winners) =>
          all
            .contested()
            .map(({ ip }) => ip)
            .sort();
        expect(ips(crooked)).toEqual(ips(straight));
      }),
    );
  });
});
