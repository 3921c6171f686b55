import { create, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  BulkSyncMessageSchema,
  NetworkEventSchema,
  NetworkPushPullSchema,
  NodeEventSchema,
  TableEventSchema,
} from '#proto/gen/networkdb/networkdb_pb.js';
import { EndpointRecordSchema, PeerRecordSchema } from '#proto/gen/networkdb/records_pb.js';
import { DecodeError } from './decode-error.ts';
import { GOLDEN_WORLD, type GoldenName, golden } from './golden-vectors.ts';
import {
  decodeBulkSync,
  decodeEnvelope,
  decodeNetworkEvent,
  decodeNetworkPushPull,
  decodeNodeEvent,
  decodeTableEvent,
  eachInCompound,
} from './networkdb-decode.ts';
import {
  compoundPartOverhead,
  encodeBulkSync,
  encodeCompoundEnvelope,
  encodeEnvelope,
  encodeNetworkEvent,
  encodeNetworkPushPull,
  encodeNodeEvent,
  encodeTableEvent,
  TableCompound,
} from './networkdb-encode.ts';
import type { AttachmentEntry, TableEvent } from './networkdb-message.ts';

const { nodeA, nodeB, network, endpoint } = GOLDEN_WORLD;
const createPeer: TableEvent = {
  type: 'create',
  time: 5n,
  owner: nodeA,
  network,
  table: 'overlay_peer_table',
  key: endpoint,
  value: golden('G34'),
  residualSec: 0,
};
const deletePeer: TableEvent = { ...createPeer, type: 'delete', time: 6n, residualSec: 1800 };

function inner(name: GoldenName): Buffer {
  return decodeEnvelope(golden(name)).data;
}

describe('C12 envelopes', () => {
  test.each([
    ['G30', { type: 'join', time: 1n, node: nodeA }],
    ['G31', { type: 'leave', time: 300n, node: nodeA }],
  ] as const)('C12 %s node event', (name, event) => {
    expect(encodeEnvelope('nodeEvent', encodeNodeEvent(event))).toEqual(golden(name));
    expect(decodeNodeEvent(inner(name))).toEqual(event);
  });

  test.each([
    ['G32', { type: 'join', time: 2n, node: nodeA, network }],
    ['G33', { type: 'leave', time: 7n, node: nodeA, network }],
  ] as const)('C12 %s network event', (name, event) => {
    expect(encodeEnvelope('networkEvent', encodeNetworkEvent(event))).toEqual(golden(name));
    expect(decodeNetworkEvent(inner(name))).toEqual(event);
  });

  test.each([
    ['G35', createPeer],
    ['G36', deletePeer],
  ] as const)('C12 %s table event', (name, event) => {
    expect(encodeEnvelope('tableEvent', encodeTableEvent(event))).toEqual(golden(name));
    expect(decodeTableEvent(inner(name))).toEqual(event);
  });

  test('a compound written event by event has the bytes of one put together', () => {
    const times = [0n, 1n, 127n, 128n, 2n ** 32n, 2n ** 53n, 2n ** 62n];
    const events = times.flatMap((time, i) => [
      { ...createPeer, time, key: 'k'.repeat(i * 40), value: Buffer.alloc(i * 3000, i) },
      { ...deletePeer, time, owner: '', residualSec: i * 100 },
    ]);
    const compound = new TableCompound(16);
    for (const event of events) compound.add(event);
    const envelopes = events.map((event) => encodeEnvelope('tableEvent', encodeTableEvent(event)));
    expect(compound.take()).toEqual(encodeCompoundEnvelope(envelopes));
    const golden38 = new TableCompound(16);
    golden38.add(createPeer);
    expect(golden38.take()).toEqual(golden('G38'));
  });

  test('C12 G37, G38, G39 compounds', () => {
    expect(encodeCompoundEnvelope([])).toEqual(golden('G37'));
    expect(encodeCompoundEnvelope([golden('G35')])).toEqual(golden('G38'));
    expect(encodeCompoundEnvelope([golden('G30'), golden('G32')])).toEqual(golden('G39'));
    expect([...eachInCompound(inner('G39'))]).toEqual([golden('G30'), golden('G32')]);
    expect(golden('G38').length - golden('G37').length).toBeGreaterThan(compoundPartOverhead(0));
  });

  test.each([
    ['G40', 0n, true, golden('G37')],
    ['G41', 6n, false, golden('G38')],
  ] as const)('C12 %s bulk sync', (name, time, unsolicited, payload) => {
    const sync = { time, unsolicited, node: nodeA, networks: [network], payload };
    expect(encodeEnvelope('bulkSync', encodeBulkSync(sync))).toEqual(golden(name));
    expect(decodeBulkSync(inner(name))).toEqual(sync);
  });

  test('C12 G42, G43 push/pull', () => {
    const attachments: AttachmentEntry[] = [
      { network, time: 9n, node: nodeA, leaving: false },
      { network, time: 4n, node: nodeB, leaving: true },
    ];
    expect(encodeEnvelope('pushPull', encodeNetworkPushPull({ time: 9n, node: nodeA, attachments }))).toEqual(
      golden('G42'),
    );
    expect(encodeEnvelope('pushPull', encodeNetworkPushPull({ time: 1n, node: nodeA, attachments: [] }))).toEqual(
      golden('G43'),
    );
    const seen: AttachmentEntry[] = [];
    expect(decodeNetworkPushPull(inner('G42'), (entry) => seen.push(entry))).toEqual({ time: 9n, node: nodeA });
    expect(seen).toEqual(attachments);
  });

  test('C13 an attachment with a small time is 45 bytes with its tag and length', () => {
    const size = (attachments: AttachmentEntry[]) =>
      encodeNetworkPushPull({ time: 1n, node: nodeA, attachments }).length;
    expect(size([{ network, time: 100n, node: nodeB, leaving: false }]) - size([])).toBe(45);
  });

  test('C12 unknown fields of every wire type are passed over', () => {
    const unknown = Buffer.from('980601' + '99061122334455667788' + '9a0603010203' + '9d0611223344', 'hex');
    expect(decodeNodeEvent(Buffer.concat([unknown, inner('G30'), unknown]))).toEqual(decodeNodeEvent(inner('G30')));
    expect(decodeEnvelope(Buffer.concat([unknown, golden('G30')])).kind).toBe('nodeEvent');
  });

  test('C12 the last of a repeated scalar wins', () => {
    expect(decodeNodeEvent(Buffer.concat([inner('G31'), inner('G30')]))).toEqual(decodeNodeEvent(inner('G30')));
  });
});

describe('F10 malformed envelopes', () => {
  test.each(['M30', 'M31', 'M32', 'M33', 'M34', 'M35'] as const)('F10 %s is refused', (name) => {
    expect(() => {
      const { data } = decodeEnvelope(golden(name));
      decodeNodeEvent(data);
    }).toThrow(DecodeError);
  });

  test('F11 M36, a poisoned clock, is refused; 2^63 itself is the last good time', () => {
    expect(() => decodeNodeEvent(inner('M36'))).toThrow(/poisoned/);
    const last = { type: 'join', time: 2n ** 63n, node: nodeA } as const;
    expect(decodeNodeEvent(encodeNodeEvent(last))).toEqual(last);
    expect(() => decodeNodeEvent(encodeNodeEvent({ ...last, time: 2n ** 63n + 1n }))).toThrow(DecodeError);
  });

  test('F10 what is wrong with each spoils a good envelope it is appended to', () => {
    const good = decodeEnvelope(golden('G30'));
    for (const name of ['M30', 'M31', 'M32', 'M33', 'M34', 'M35'] as const) {
      // Without the type that makes some of them look like another message.
      const poison = golden(name).subarray(name === 'M31' || name === 'M33' ? 2 : 0);
      expect(() => decodeEnvelope(Buffer.concat([golden('G30'), poison])), name).toThrow(DecodeError);
    }
    expect(decodeEnvelope(Buffer.concat([golden('G30'), golden('G30')]))).toEqual(good);
  });

  test('F12 M37, a negative residual, is nearly over, and not the half hour that none would be', () => {
    expect(decodeTableEvent(inner('M37'))).toMatchObject({ type: 'delete', residualSec: 1 });
    const none = { ...deletePeer, residualSec: 0 };
    expect(decodeTableEvent(encodeTableEvent(none)).residualSec).toBe(0);
  });

  test('F13 M38 and a hundred thousand names: empty ones go, the rest is bounded', () => {
    expect(decodeBulkSync(inner('M38')).networks).toEqual([]);
    const networks = Array.from({ length: 100_000 }, (_, i) => `n${i}`);
    const data = encodeBulkSync({ time: 1n, unsolicited: true, node: nodeB, networks, payload: Buffer.alloc(0) });
    expect(decodeBulkSync(data).networks).toHaveLength(4096);
  });
});

const text = fc.string({
  minLength: 1,
  maxLength: 40,
  unit: fc.integer({ min: 1, max: 127 }).map((c) => String.fromCharCode(c)),
});
const time = fc.bigInt({ min: 0n, max: 2n ** 63n });

test('C12 our encoder and the generated one write the same bytes', () => {
  fc.assert(
    fc.property(
      fc.record({ time, owner: text, network: text, table: text, key: text, value: fc.uint8Array(), sec: fc.nat() }),
      fc.constantFrom('create' as const, 'update' as const, 'delete' as const),
      ({ sec, ...event }, type) => {
        const { time: lTime, owner, network: networkId, table: tableName, key, value } = event;
        const number = { create: 1, update: 2, delete: 3 }[type];
        const theirs = create(TableEventSchema, {
          type: number,
          lTime,
          nodeName: owner,
          networkId,
          tableName,
          key,
          value,
          residualReapTime: sec,
        });
        const ours = encodeTableEvent({ type, ...event, residualSec: sec });
        expect(ours).toEqual(Buffer.from(toBinary(TableEventSchema, theirs)));
        expect(decodeTableEvent(ours)).toEqual({ type, ...event, value: Buffer.from(value), residualSec: sec });
      },
    ),
    { numRuns: 300 },
  );
  fc.assert(
    fc.property(time, text, text, fc.boolean(), fc.array(text, { maxLength: 5 }), (lTime, node, id, flag, ids) => {
      const nodeEvent = create(NodeEventSchema, { type: 2, lTime, nodeName: node });
      expect(encodeNodeEvent({ type: 'leave', time: lTime, node })).toEqual(
        Buffer.from(toBinary(NodeEventSchema, nodeEvent)),
      );
      const networkEvent = create(NetworkEventSchema, { type: 1, lTime, nodeName: node, networkId: id });
      expect(encodeNetworkEvent({ type: 'join', time: lTime, node, network: id })).toEqual(
        Buffer.from(toBinary(NetworkEventSchema, networkEvent)),
      );
      const sync = create(BulkSyncMessageSchema, { lTime, unsolicited: flag, nodeName: node, networks: ids });
      expect(encodeBulkSync({ time: lTime, unsolicited: flag, node, networks: ids, payload: Buffer.alloc(0) })).toEqual(
        Buffer.from(toBinary(BulkSyncMessageSchema, sync)),
      );
      const pushPull = create(NetworkPushPullSchema, {
        lTime,
        nodeName: node,
        networks: ids.map((networkId) => ({ networkId, lTime, nodeName: node, leaving: flag })),
      });
      const attachments = ids.map((one) => ({ network: one, time: lTime, node, leaving: flag }));
      expect(encodeNetworkPushPull({ time: lTime, node, attachments })).toEqual(
        Buffer.from(toBinary(NetworkPushPullSchema, pushPull)),
      );
    }),
    { numRuns: 200 },
  );
});

test('C12 G34, G44 to G47 are what the generated record types write', () => {
  const peer = create(PeerRecordSchema, {
    endpointIp: '10.0.1.5/24',
    endpointMac: '02:42:0a:00:01:05',
    tunnelEndpointIp: '10.0.0.11',
  });
  expect(Buffer.from(toBinary(PeerRecordSchema, peer))).toEqual(golden('G34'));
  const task = {
    name: 'web.1.abcdefghijklmnopqrstuvwxy',
    serviceName: 'web',
    serviceId: 's5v1c3id0000000000000000x',
    virtualIp: '10.0.1.2',
    endpointIp: '10.0.1.5',
    taskAliases: ['4b92a573912d'],
  };
  const bytes = (value: Parameters<typeof create<typeof EndpointRecordSchema>>[1]) =>
    Buffer.from(toBinary(EndpointRecordSchema, create(EndpointRecordSchema, value)));
  expect(bytes(task)).toEqual(golden('G44'));
  expect(bytes({ ...task, serviceDisabled: true })).toEqual(golden('G45'));
  const plain = { name: 'box', virtualIp: '<nil>', endpointIp: '10.0.1.9', taskAliases: ['4b92a573912d'] };
  expect(bytes(plain)).toEqual(golden('G46'));
  const ingress = {
    ...task,
    virtualIp: '10.0.0.7',
    endpointIp: '10.0.0.8',
    ingressPorts: [
      { targetPort: 80, publishedPort: 8080 },
      { name: 'dns', protocol: 1, targetPort: 53, publishedPort: 30053 },
    ],
    aliases: ['w'],
  };
  expect(bytes(ingress)).toEqual(golden('G47'));
});
