import { describe, expect, test } from 'vitest';
import { bulkOf, bulkSync, eventsIn, NET, peerOf, SELF, Stage, tableEvent } from './core-testkit.ts';
import { decodeEndpoint, decodeOverlayPeer, type Endpoint, encodeEndpoint, encodeOverlayPeer } from './records.ts';
import { Tables } from './tables.ts';
import { GOLDEN_WORLD, golden } from './wire/golden-vectors.ts';
import { decodeBulkSync } from './wire/networkdb-decode.ts';
import { encodeEnvelope, encodeTableEvent } from './wire/networkdb-encode.ts';

const box: Endpoint = {
  name: 'box',
  service: undefined,
  virtualIp: undefined,
  ip: '10.0.1.9',
  ingressPorts: [],
  aliases: [],
  taskAliases: ['4b92a573912d'],
  disabled: false,
};
const home = { ip: '10.0.1.5', prefixLength: 24, mac: '02:42:0a:00:01:05', tunnelIp: '10.0.0.11' };

function tables(): { stage: Stage; tables: Tables } {
  const stage = new Stage();
  const made = new Tables(stage.core.db.state, (input) => {
    stage.input(input);
    made.changed(stage.changes.splice(0));
  });
  made.attach(NET);
  stage.meet(1, [NET]);
  stage.run(6000);
  return { stage, tables: made };
}

function endpointEvent(key: string, value: Buffer, time = 5n) {
  const owner = peerOf(1).name;
  const event = {
    type: 'create',
    time,
    owner,
    network: NET,
    table: 'endpoint_table',
    key,
    value,
    residualSec: 0,
  } as const;
  return encodeEnvelope('tableEvent', encodeTableEvent(event));
}

describe('records', () => {
  test('N14 a plain container has the literal <nil> for its virtual address', () => {
    expect(encodeEndpoint(box)).toEqual(golden('G46'));
    expect(decodeEndpoint(golden('G46'))).toEqual(box);
  });

  test('G34, G44, G45, G47 both ways', () => {
    expect(encodeOverlayPeer(home)).toEqual(golden('G34'));
    expect(decodeOverlayPeer(golden('G34'))).toEqual(home);
    for (const name of ['G44', 'G45', 'G47'] as const) {
      const endpoint = decodeEndpoint(golden(name));
      expect(endpoint && encodeEndpoint(endpoint)).toEqual(golden(name));
    }
    expect(decodeEndpoint(golden('G45'))?.disabled).toBe(true);
    expect(decodeEndpoint(golden('G47'))?.ingressPorts).toEqual([
      { name: '', protocol: 'tcp', targetPort: 80, publishedPort: 8080 },
      { name: 'dns', protocol: 'udp', targetPort: 53, publishedPort: 30053 },
    ]);
  });

  test('F30 records nobody can use are not used', () => {
    const port = { name: '', protocol: 'tcp', targetPort: 1, publishedPort: 1 } as const;
    expect(decodeEndpoint(encodeEndpoint({ ...box, ip: '999.1.1.1' }))).toBeUndefined();
    expect(decodeEndpoint(encodeEndpoint({ ...box, name: '' }))).toBeUndefined();
    expect(decodeEndpoint(encodeEndpoint({ ...box, ingressPorts: new Array(10_000).fill(port) }))).toBeUndefined();
    expect(decodeEndpoint(Buffer.from('0a02ffff', 'hex'))).toBeUndefined();
    expect(decodeEndpoint(Buffer.from('0aff', 'hex'))).toBeUndefined();
    expect(decodeOverlayPeer(encodeOverlayPeer({ ...home, mac: '' }))).toBeUndefined();
    expect(decodeOverlayPeer(encodeOverlayPeer({ ...home, prefixLength: 33 }))).toBeUndefined();
    expect(decodeOverlayPeer(encodeOverlayPeer({ ...home, tunnelIp: 'here' }))).toBeUndefined();
  });
});

describe('tables', () => {
  test('N14 an endpoint is created, at most disabled, then withdrawn; nothing else', () => {
    const { stage, tables: ours } = tables();
    const sinceMs = stage.nowMs;
    ours.publishEndpoint(NET, 'e1', box);
    stage.run(2000);
    ours.publishEndpoint(NET, 'e1', box);
    ours.publishEndpoint(NET, 'e1', { ...box, disabled: true });
    stage.run(2000);
    expect(() => ours.publishEndpoint(NET, 'e1', { ...box, ip: '10.0.1.10' })).toThrow(/other contents/);
    expect(() => ours.publishEndpoint(NET, 'e1', box)).toThrow(/other contents/);
    ours.withdrawEndpoint(NET, 'e1');
    stage.run(2000);
    const types = stage.tableEvents(sinceMs).map(({ event }) => event.type);
    expect([...new Set(types)]).toEqual(['create', 'update', 'delete']);
    ours.publishPeer(NET, 'e1', home);
    ours.publishPeer(NET, 'e1', home);
    expect(() => ours.publishPeer(NET, 'e1', { ...home, tunnelIp: '10.0.0.12' })).toThrow(/other contents/);
  });

  test('N15 a disabled record that arrives as a create is disabled', () => {
    const { stage, tables: ours } = tables();
    stage.request(bulkSync(1, [endpointEvent(GOLDEN_WORLD.endpoint, golden('G45'))]));
    expect(ours.snapshot(NET)?.endpoints).toMatchObject([{ owner: peerOf(1).name, value: { disabled: true } }]);
  });

  test('F30 what cannot be read is kept and passed on, not shown', () => {
    const { stage, tables: ours } = tables();
    stage.user(1, endpointEvent('bad', Buffer.from('0a02ffff', 'hex')));
    stage.user(1, tableEvent(1, { table: 'some_other_table', key: 'odd' }));
    const snapshot = ours.snapshot(NET);
    expect(snapshot).toMatchObject({ endpoints: [], unreadable: 1 });
    expect(stage.row('bad')).toBeDefined();
    expect(stage.row('odd', 'some_other_table')).toBeDefined();
    const sinceMs = stage.nowMs - 1;
    stage.run(2000);
    const passedOn = stage.tableEvents(sinceMs).map(({ event }) => event.key);
    expect(new Set(passedOn)).toEqual(new Set(['bad', 'odd']));
    stage.streams.length = 0;
    stage.play = () => undefined;
    stage.request(bulkSync(1, [], { unsolicited: true }));
    const answer = decodeBulkSync(bulkOf(stage.streams[0] ?? { message: Buffer.alloc(1) })?.data ?? Buffer.alloc(0));
    expect(
      eventsIn(answer.payload)
        .map(({ key, value }) => [key, Buffer.from(value).toString('hex')])
        .sort(),
    ).toEqual([
      ['bad', '0a02ffff'],
      ['odd', Buffer.from('v').toString('hex')],
    ]);
  });

  test('watchers hear of changes by network, snapshots stay as they were', () => {
    const { tables: ours } = tables();
    const heard: string[] = [];
    const end = ours.watch((network, changes) => heard.push(`${network} ${changes.map((one) => one.key)}`));
    ours.publishEndpoint(NET, 'e1', box);
    const before = ours.snapshot(NET);
    ours.withdrawEndpoint(NET, 'e1');
    expect(heard).toEqual([`${NET} e1`, `${NET} e1`]);
    expect(before?.endpoints).toHaveLength(1);
    expect(before?.nodes).toEqual([SELF.name, peerOf(1).name].sort());
    expect(Object.isFrozen(before) && Object.isFrozen(before?.endpoints)).toBe(true);
    expect(ours.snapshot(NET)?.endpoints).toEqual([]);
    end();
    ours.publishPeer(NET, 'e2', home);
    expect(heard).toHaveLength(2);
    ours.detach(NET);
    expect(ours.snapshot(NET)).toBeUndefined();
  });

  test('ids that would confuse peers are refused', () => {
    const { tables: ours } = tables();
    for (const id of ['', 'a/b', 'a b', 'a\0', 'x'.repeat(256)]) {
      expect(() => ours.publishPeer(NET, id, home)).toThrow(/may hold only/);
    }
  });
});
