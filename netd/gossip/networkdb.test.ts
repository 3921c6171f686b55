import { describe, expect, test } from 'vitest';
import {
  aliveOf,
  bulkOf,
  bulkSync,
  entryOf,
  eventsIn,
  joinNetwork,
  NET,
  networkEvent,
  PORT,
  peerOf,
  pushPull,
  SELF,
  Stage,
  tableEvent,
} from './core-testkit.ts';
import { golden } from './wire/golden-vectors.ts';
import { decodeBulkSync, decodeEnvelope, decodeNetworkEvent, decodeNetworkPushPull } from './wire/networkdb-decode.ts';
import { encodeCompoundEnvelope, encodeEnvelope, encodeNodeEvent } from './wire/networkdb-encode.ts';
import { decodePushPull } from './wire/push-pull.ts';
import { encodeUserStream } from './wire/user-stream.ts';

/** A stage on the network, with `count` peers on it, after the excitement of meeting has passed. */
function attached(count: number): Stage {
  const stage = new Stage();
  stage.input({ kind: 'attach', network: NET });
  stage.meet(count, [NET]);
  stage.run(6000);
  return stage;
}

function roster(stage: Stage): string[] {
  return [...(stage.core.db.state.rosters.get(NET) ?? [])].sort();
}

function attachmentsOf(state: Buffer) {
  const found: { network: string; node: string; leaving: boolean }[] = [];
  decodeNetworkPushPull(decodeEnvelope(decodePushPull(state).userState).data, (entry) => found.push(entry));
  return found;
}

describe('network events', () => {
  test('N01 news of an attachment is passed on once for each time, the rest is silent', () => {
    const stage = new Stage();
    stage.meet(3);
    stage.run(5000);
    const relayed = (event: Buffer) => {
      const sinceMs = stage.nowMs;
      stage.user(1, event);
      stage.run(3000);
      return stage.envelopes(sinceMs).filter(({ bytes }) => bytes.equals(event)).length;
    };
    expect(relayed(networkEvent('leave', 2, NET, 3n))).toBe(0);
    expect(relayed(joinNetwork(2, NET, 5n))).toBe(4);
    expect(roster(stage)).toEqual([peerOf(2).name]);
    expect(relayed(joinNetwork(2, NET, 5n))).toBe(0);
    expect(relayed(joinNetwork(2, NET, 4n))).toBe(0);
    expect(relayed(networkEvent('leave', 2, NET, 6n))).toBe(4);
    expect(roster(stage)).toEqual([]);
  });

  test('N02 strangers leave nothing behind', () => {
    const stage = new Stage();
    for (let index = 0; index < 5000; index++) {
      const event = decodeNetworkEvent(decodeEnvelope(joinNetwork(1, NET, 1n)).data);
      stage.core.db.mergeState(
        decodePushPull(pushPull(1, [], [{ ...event, node: `stranger${index}`, leaving: false }])).userState,
      );
    }
    const { attachments, rosters, peers, networkQueue } = stage.core.db.state;
    expect([attachments.size, rosters.size, peers.size, networkQueue.size]).toEqual([0, 0, 0, 0]);
  });

  test('F26 a push/pull full of strangers leaves nothing behind either', () => {
    const stage = new Stage();
    const many = Array.from({ length: 100_000 }, (_, i) => ({ network: NET, time: 1n, node: `n${i}`, leaving: false }));
    stage.request(pushPull(1, [entryOf(1)], many));
    expect(stage.core.db.state.attachments.size).toBe(0);
    expect(stage.core.db.state.rosters.size).toBe(0);
  });

  test('F11 a poisoned time is refused and the clocks go on as before', () => {
    const stage = attached(1);
    const before = stage.core.db.state.networkClock.time;
    stage.user(1, golden('M36'));
    expect(stage.core.db.state.networkClock.time).toBe(before);
    stage.input({ kind: 'detach', network: NET });
    expect(stage.core.db.state.networkClock.time).toBe(before + 1n);
  });
});

describe('node events', () => {
  test('F19 a LEAVE in our name is ignored', () => {
    const stage = attached(1);
    stage.user(1, encodeEnvelope('nodeEvent', encodeNodeEvent({ type: 'leave', time: 99n, node: SELF.name })));
    expect(roster(stage)).toContain(SELF.name);
  });

  test('a LEAVE makes a node left, takes its rows along, and is passed on', () => {
    const stage = attached(3);
    stage.user(1, tableEvent(1));
    const sinceMs = stage.nowMs;
    const leave = encodeEnvelope('nodeEvent', encodeNodeEvent({ type: 'leave', time: 99n, node: peerOf(1).name }));
    stage.user(2, leave);
    expect(stage.core.db.state.peers.get(peerOf(1).name)?.status).toBe('left');
    expect(stage.row('k')).toBeUndefined();
    stage.run(2000);
    expect(stage.envelopes(sinceMs).filter(({ bytes }) => bytes.equals(leave))).toHaveLength(4);
  });

  test('S19 a restarted peer: its old name and rows go at once, its new name is there', () => {
    const stage = attached(2);
    stage.user(1, tableEvent(1));
    stage.packet(1, aliveOf(1, { node: 'fffffffffff1' }));
    expect(stage.core.db.state.peers.get(peerOf(1).name)?.status).toBe('left');
    expect(stage.core.db.state.peers.get('fffffffffff1')?.status).toBe('active');
    expect(stage.row('k')).toBeUndefined();
    expect(roster(stage)).toEqual([SELF.name, peerOf(2).name].sort());
  });

  test('late news of a predecessor does not bury its successor for good', () => {
    const stage = new Stage();
    stage.play = () => 'hang';
    stage.packet(1, aliveOf(1, { node: 'fffffffffff1' }));
    stage.packet(2, aliveOf(1));
    expect(stage.core.db.state.peers.get('fffffffffff1')?.status).toBe('left');
    stage.packet(2, { kind: 'dead', node: peerOf(1).name, incarnation: 1, from: peerOf(2).name });
    expect(stage.core.db.state.peers.get('fffffffffff1')?.status).toBe('active');
    stage.run(1500);
    expect(stage.streams.some(({ message }) => message[0] === 6)).toBe(true);
  });
});

describe('table events', () => {
  test('N03 only attached owners are believed, and only while we are attached', () => {
    const stage = new Stage();
    stage.meet(1);
    stage.user(1, tableEvent(1));
    expect(stage.row('k')).toBeUndefined();
    stage.input({ kind: 'attach', network: NET });
    stage.user(1, tableEvent(1));
    expect(stage.row('k')).toBeUndefined();
    stage.user(1, joinNetwork(1, NET, 2n));
    stage.user(1, tableEvent(1));
    expect(stage.row('k')).toMatchObject({ value: 'v' });
    stage.input({ kind: 'detach', network: NET });
    stage.user(1, tableEvent(1, { key: 'other' }));
    expect(stage.row('other')).toBeUndefined();
  });

  test('N04 the newest time wins, equal times keep what is there', () => {
    const stage = attached(2);
    stage.user(1, tableEvent(1, { type: 'update', time: 6n, value: 'six' }));
    stage.user(1, tableEvent(1, { time: 5n, value: 'five' }));
    expect(stage.row('k')?.value).toBe('six');
    stage.user(2, tableEvent(2, { time: 6n, value: 'rival' }));
    expect(stage.row('k')?.value).toBe('six');
    stage.user(1, tableEvent(1, { type: 'delete', time: 8n, value: 'six' }));
    stage.user(1, tableEvent(1, { time: 7n, value: 'seven' }));
    expect(stage.row('k')).toMatchObject({ deleted: true });
    expect(stage.changes.at(-1)).toMatchObject({ before: { key: 'k' }, after: undefined });
  });

  test('a delete that comes before its create keeps the create out', () => {
    const stage = attached(1);
    stage.user(1, tableEvent(1, { type: 'delete', time: 8n }));
    stage.user(1, tableEvent(1, { time: 7n }));
    expect(stage.row('k')).toMatchObject({ deleted: true });
    expect(stage.changes).toEqual([]);
  });

  test('N05 one row and one member: four packets 200 ms apart, each one event in a compound, with checksum', () => {
    const stage = attached(1);
    const sinceMs = stage.nowMs;
    stage.publish('mine', 'x');
    stage.run(5000);
    const events = stage.tableEvents(sinceMs);
    expect(events.map(({ event }) => [event.type, event.key, event.owner])).toEqual(
      Array.from({ length: 4 }, () => ['create', 'mine', SELF.name]),
    );
    const times = events.map(({ atMs }) => atMs);
    for (let i = 1; i < 4; i++) expect((times[i] ?? 0) - (times[i - 1] ?? 0)).toBeCloseTo(200, 0);
    const packets = stage.sent.filter((sent) => sent.atMs >= sinceMs && sent.messages.some((m) => m.includes('mine')));
    for (const { messages, crc } of packets) {
      expect(crc).toBe(true);
      expect(messages).toHaveLength(1);
      expect(decodeEnvelope(messages[0]?.subarray(1) ?? Buffer.alloc(0)).kind).toBe('compound');
    }
  });

  test('nothing is used up while there is nobody to tell', () => {
    const stage = new Stage();
    stage.input({ kind: 'attach', network: NET });
    stage.publish('mine', 'x');
    stage.run(20_000);
    const sinceMs = stage.nowMs;
    stage.meet(1, [NET]);
    stage.run(3000);
    expect(stage.tableEvents(sinceMs).filter(({ event }) => event.key === 'mine')).toHaveLength(4);
  });

  test('a row written right after attaching travels behind our attachment, in one compound', () => {
    const stage = new Stage();
    stage.meet(1, [NET]);
    stage.run(4000);
    stage.input({ kind: 'attach', network: NET });
    stage.publish('mine', 'x');
    const sinceMs = stage.nowMs;
    stage.run(300);
    const packet = stage.sent.find((sent) => sent.atMs >= sinceMs && sent.messages.some((m) => m.includes('mine')));
    const kinds = stage.envelopes(packet?.atMs ?? 0).map(({ envelope }) => envelope.kind);
    expect(kinds.slice(0, 2)).toEqual(['networkEvent', 'tableEvent']);
  });

  test('N06 a delete carries its value and half an hour, of which a sync later shows what is left', () => {
    const stage = attached(1);
    stage.play = () => undefined;
    stage.publish('mine', 'last words');
    stage.input({ kind: 'withdraw', network: NET, table: 'endpoint_table', key: 'mine' });
    const sinceMs = stage.nowMs;
    stage.run(10_000);
    const deleted = stage.tableEvents(sinceMs).find(({ event }) => event.type === 'delete');
    expect(deleted?.event).toMatchObject({ key: 'mine', residualSec: 1800, value: Buffer.from('last words') });
    stage.streams.length = 0;
    stage.request(bulkSync(1, [], { unsolicited: true }));
    const [event] = eventsIn(
      decodeBulkSync(bulkOf(stage.streams[0] ?? { message: Buffer.alloc(1) })?.data ?? Buffer.alloc(0)).payload,
    );
    expect(event).toMatchObject({ type: 'delete', key: 'mine', value: Buffer.from('last words') });
    expect(event?.residualSec).toBeGreaterThanOrEqual(1784);
    expect(event?.residualSec).toBeLessThanOrEqual(1794);
  });

  test('N07 an event too large for a packet travels by bulk sync only', () => {
    const stage = attached(1);
    stage.play = () => undefined;
    const sizeOf = (value: Buffer) => {
      stage.publish('size', value);
      const sinceMs = stage.nowMs;
      stage.run(3000);
      return stage.envelopes(sinceMs).find(({ bytes }) => bytes.includes('size'))?.bytes.length;
    };
    const overhead = (sizeOf(Buffer.alloc(1000)) ?? 0) - 1000;
    expect(sizeOf(Buffer.alloc(1391 - overhead))).toBe(1391);
    expect(sizeOf(Buffer.alloc(1392 - overhead))).toBeUndefined();
    stage.streams.length = 0;
    stage.request(bulkSync(1, [], { unsolicited: true }));
    expect(stage.streams[0]?.message.length).toBeGreaterThan(1392);
  });

  test('F18 a row in our name is not listened to', () => {
    const stage = attached(1);
    const before = stage.core.db.state.tableClock.time;
    stage.user(1, tableEvent(1, { owner: SELF.name, time: 900n, key: 'forged' }));
    expect(stage.row('forged')).toBeUndefined();
    expect(stage.core.db.state.tableClock.time).toBe(before);
  });

  test('our own row, in a sync, in a state it is not in: said again under a newer time', () => {
    const stage = attached(1);
    stage.play = () => undefined;
    stage.publish('mine', 'x');
    const time = stage.row('mine')?.time ?? 0n;
    stage.request(bulkSync(1, [tableEvent(1, { type: 'delete', owner: SELF.name, key: 'mine', time })]));
    expect(stage.row('mine')).toMatchObject({ value: 'x', deleted: false });
    expect(stage.row('mine')?.time).toBeGreaterThan(time);
    stage.request(bulkSync(1, [tableEvent(1, { owner: SELF.name, key: 'zombie', time: 3n })]));
    expect(stage.row('zombie')).toMatchObject({ deleted: true });
    expect(stage.changes.filter((change) => change.key === 'zombie')).toEqual([]);
  });

  test('another node’s newer row over ours is taken back after a moment', () => {
    const stage = attached(1);
    stage.publish('mine', 'x');
    stage.user(1, tableEvent(1, { key: 'mine', value: 'theirs', time: 70n }));
    expect(stage.row('mine')?.value).toBe('theirs');
    stage.run(1100);
    expect(stage.row('mine')).toMatchObject({ value: 'x' });
    expect(stage.row('mine')?.time).toBeGreaterThan(70n);
  });

  test('F12 M37: a tombstone with a negative residual does no harm', () => {
    const stage = attached(1);
    const event = golden('M37');
    stage.user(1, event);
    expect(stage.changes).toEqual([]);
    expect([...stage.core.db.state.rows.of(NET)].every((row) => row.deleted)).toBe(true);
  });

  test('F15 compounds nested forty deep are cut, four are not', () => {
    const stage = attached(1);
    const nested = (depth: number, key: string) => {
      let message = tableEvent(1, { key });
      for (let i = 0; i < depth; i++) message = encodeCompoundEnvelope([message]);
      return message;
    };
    stage.user(1, nested(4, 'four'));
    stage.user(1, nested(40, 'forty'));
    expect([stage.row('four')?.value, stage.row('forty')]).toEqual(['v', undefined]);
  });

  test('F13 names with slashes and NULs are kept apart', () => {
    const stage = attached(1);
    for (const key of ['a/b', 'a', 'a\0b', '/']) stage.user(1, tableEvent(1, { key, value: key }));
    expect(['a/b', 'a', 'a\0b', '/'].map((key) => stage.row(key)?.value)).toEqual(['a/b', 'a', 'a\0b', '/']);
  });
});

describe('bulk sync', () => {
  test('N08 a request is applied and answered on a new stream to the advertised address', () => {
    const stage = attached(1);
    stage.play = () => undefined;
    stage.publish('mine', 'x');
    stage.streams.length = 0;
    stage.request(bulkSync(1, [tableEvent(1)], { unsolicited: true, time: 500n }));
    expect(stage.row('k')?.value).toBe('v');
    expect(stage.streams).toHaveLength(1);
    expect(stage.streams[0]).toMatchObject({ to: peerOf(1).address, wantsReply: false });
    const answer = decodeBulkSync(bulkOf(stage.streams[0] ?? { message: Buffer.alloc(1) })?.data ?? Buffer.alloc(0));
    expect(answer).toMatchObject({ unsolicited: false, node: SELF.name, networks: [NET] });
    expect(answer.time).toBeGreaterThan(500n);
    expect(
      eventsIn(answer.payload)
        .map((event) => event.key)
        .sort(),
    ).toEqual(['k', 'mine']);
  });

  test('N09 an answer is not answered', () => {
    const stage = attached(1);
    stage.streams.length = 0;
    stage.request(bulkSync(1, [tableEvent(1)]));
    expect(stage.streams).toEqual([]);
  });

  test('F16 misplaced messages: a sync in a sync, in a packet, a push/pull as a user message', () => {
    const stage = attached(1);
    stage.play = () => undefined;
    stage.streams.length = 0;
    const request = bulkSync(1, [], { unsolicited: true });
    const envelope = request.subarray(request.indexOf(Buffer.from([8, 4])));
    stage.user(1, envelope);
    stage.request(encodeUserStream(decodePushPull(pushPull(1, [])).userState));
    stage.request(bulkSync(1, [envelope], { unsolicited: true }));
    expect(stage.streams).toHaveLength(1);
  });

  test('F17 a sync in our own name is ignored', () => {
    const stage = attached(1);
    stage.streams.length = 0;
    stage.request(bulkSync(1, [tableEvent(1)], { unsolicited: true, node: SELF.name }));
    expect([stage.streams.length, stage.row('k')]).toEqual([0, undefined]);
  });

  test('F13 a request for a hundred thousand unknown networks is answered with nothing', () => {
    const stage = attached(1);
    stage.play = () => undefined;
    stage.streams.length = 0;
    const networks = Array.from({ length: 100_000 }, (_, i) => `n${i}`);
    stage.request(bulkSync(1, [], { unsolicited: true, networks }));
    const answer = decodeBulkSync(bulkOf(stage.streams[0] ?? { message: Buffer.alloc(1) })?.data ?? Buffer.alloc(0));
    expect([answer.networks, eventsIn(answer.payload)]).toEqual([[], []]);
  });

  test('F21 huge values are refused, huge syncs are applied in slices', () => {
    const stage = attached(1);
    stage.request(bulkSync(1, [tableEvent(1, { value: 'x'.repeat(2_000_000) }), tableEvent(1, { key: 'fine' })]));
    expect([stage.row('k'), stage.row('fine')?.value]).toEqual([undefined, 'v']);
    const events = Array.from({ length: 20_000 }, (_, i) => tableEvent(1, { key: `row${i}` }));
    stage.request(bulkSync(1, events));
    expect(stage.core.db.bulk.load.backlogBytes).toBeGreaterThan(0);
    expect(stage.row('row19999')).toBeUndefined();
    // Each tick a slice, all at the same moment: a ping between two of them is answered.
    const sliceMs: number[] = [];
    while (stage.core.db.bulk.load.backlogBytes > 0) {
      const started = performance.now();
      stage.input({ kind: 'tick' });
      sliceMs.push(performance.now() - started);
    }
    expect(stage.row('row19999')?.value).toBe('v');
    expect(sliceMs.length).toBeGreaterThan(10);
    // The median: the machine may be busy with something else in between.
    expect(sliceMs.sort((a, b) => a - b)[sliceMs.length >> 1]).toBeLessThan(100);
  });

  test('a large table goes out in several messages of which only the last asks', () => {
    const stage = attached(1);
    for (let i = 0; i < 6000; i++) stage.user(1, tableEvent(1, { key: `key${i}`, value: 'v'.repeat(100) }));
    stage.play = () => undefined;
    stage.streams.length = 0;
    stage.run(31_000);
    const syncs = stage.streams.flatMap((stream) => {
      const envelope = bulkOf(stream);
      return envelope === undefined ? [] : [decodeBulkSync(envelope.data)];
    });
    const first = syncs.findIndex((sync) => sync.unsolicited) + 1;
    expect(first).toBeGreaterThan(1);
    expect(syncs.slice(0, first).map((sync) => sync.unsolicited)).toEqual([
      ...new Array<boolean>(first - 1).fill(false),
      true,
    ]);
    expect(syncs.slice(0, first).reduce((sum, sync) => sum + eventsIn(sync.payload).length, 0)).toBe(6000);
  });

  test('N13 the first regular sync comes within 30 s, the next 30 s later, over all shared networks', () => {
    const stage = new Stage();
    const networks = [NET, 'network2'];
    for (const network of networks) stage.input({ kind: 'attach', network });
    stage.meet(1, networks);
    stage.play = () => undefined;
    stage.run(61_000);
    const requests = stage.streams.flatMap((stream) => {
      const envelope = bulkOf(stream);
      return envelope === undefined ? [] : [{ ...decodeBulkSync(envelope.data), atMs: stream.atMs }];
    });
    expect(requests.length).toBeGreaterThanOrEqual(2);
    expect(requests[0]?.atMs).toBeLessThanOrEqual(30_000);
    expect((requests[1]?.atMs ?? 0) - (requests[0]?.atMs ?? 0)).toBeCloseTo(30_000, -1);
    expect(requests[0]?.networks.toSorted()).toEqual([...networks].sort());
  });
});

describe('attaching and detaching', () => {
  test('N10 attach announces and syncs with each member; detach announces, drops, and goes on answering', () => {
    const stage = new Stage();
    stage.meet(3, [NET]);
    stage.run(4000);
    stage.play = (stream) => (stream.wantsReply ? 'fail' : undefined);
    const attachedMs = stage.nowMs;
    stage.input({ kind: 'attach', network: NET });
    expect(stage.streams.flatMap((stream) => (bulkOf(stream) ? [stream.to.ip] : [])).sort()).toEqual(
      [1, 2, 3].map((index) => peerOf(index).address.ip),
    );
    stage.publish('mine', 'x');
    stage.user(1, tableEvent(1));
    stage.run(1000);
    const own = (sinceMs: number) =>
      stage.envelopes(sinceMs).flatMap(({ envelope }) => {
        if (envelope.kind !== 'networkEvent') return [];
        const event = decodeNetworkEvent(envelope.data);
        return event.node === SELF.name ? [event.type] : [];
      });
    expect(own(attachedMs)[0]).toBe('join');

    const createdTime = stage.row('mine')?.time ?? 0n;
    const detachedMs = stage.nowMs;
    stage.input({ kind: 'detach', network: NET });
    stage.run(1000);
    expect(own(detachedMs).at(-1)).toBe('leave');
    expect(stage.row('k')).toBeUndefined();
    expect(stage.row('mine')).toMatchObject({ deleted: true });
    expect(stage.row('mine')?.time).toBeGreaterThan(createdTime);
    stage.streams.length = 0;
    stage.request(bulkSync(1, [], { unsolicited: true }));
    const answer = decodeBulkSync(bulkOf(stage.streams[0] ?? { message: Buffer.alloc(1) })?.data ?? Buffer.alloc(0));
    expect(eventsIn(answer.payload)).toMatchObject([{ type: 'delete', key: 'mine' }]);

    const listed = () =>
      attachmentsOf(stage.request(pushPull(1, [])) ?? Buffer.alloc(0)).find((a) => a.node === SELF.name);
    expect(listed()).toMatchObject({ network: NET, leaving: true });
    stage.nowMs = detachedMs + 30 * 60_000 + 20_000;
    stage.input({ kind: 'tick' });
    expect(listed()).toMatchObject({ leaving: true });
    stage.run(15_000);
    expect(listed()).toBeUndefined();
  });

  test('N11 deletes queued right before detaching still leave', () => {
    const stage = attached(2);
    stage.publish('mine', 'x');
    stage.run(3000);
    stage.input({ kind: 'withdraw', network: NET, table: 'endpoint_table', key: 'mine' });
    stage.input({ kind: 'detach', network: NET });
    const sinceMs = stage.nowMs;
    stage.run(3000);
    const deletes = stage.tableEvents(sinceMs).filter(({ event }) => event.type === 'delete' && event.key === 'mine');
    expect(new Set(deletes.map(({ to }) => to.ip)).size).toBe(2);
  });

  test('rows are said once more a moment after a quick re-attach', () => {
    const stage = attached(1);
    stage.input({ kind: 'detach', network: NET });
    stage.run(1000);
    stage.input({ kind: 'attach', network: NET });
    stage.publish('mine', 'x');
    const time = stage.row('mine')?.time ?? 0n;
    stage.run(1500);
    expect(stage.row('mine')?.time).toBeGreaterThan(time);
  });
});

describe('failures and healing', () => {
  test('N12 a failed node takes its rows along at once, without tombstones', () => {
    const stage = attached(2);
    stage.user(1, tableEvent(1));
    stage.changes.length = 0;
    stage.packet(2, { kind: 'dead', node: peerOf(1).name, incarnation: 1, from: peerOf(2).name });
    expect(stage.changes).toMatchObject([{ key: 'k', before: { value: Buffer.from('v') }, after: undefined }]);
    expect([...stage.core.db.state.rows.of(NET)]).toEqual([]);
  });

  test('N16 managers that restart under new names are found again within 70 s', () => {
    const stage = new Stage();
    const manager = peerOf(1).address;
    let name = peerOf(1).name;
    stage.play = ({ to, message }) =>
      message[0] === 6 && to.ip === manager.ip ? pushPull(1, [entryOf(1, { name })]) : 'fail';
    stage.input({ kind: 'join', addresses: [manager] });
    expect(stage.facts).toContainEqual({ kind: 'joined', peers: 1 });
    expect(stage.memberState(1)).toBe('alive');
    stage.run(1000);
    name = 'eeeeeeeeeee1';
    stage.packet(2, aliveOf(2));
    stage.packet(2, { kind: 'dead', node: peerOf(1).name, incarnation: 1, from: peerOf(2).name });
    stage.run(70_000);
    expect(stage.core.swim.state.members.get(name)).toBeDefined();
  });

  test('peers that do not answer are asked again and again, and complained about once', () => {
    const stage = new Stage();
    stage.input({ kind: 'join', addresses: [peerOf(1).address, { ip: '10.0.0.99', port: PORT }] });
    stage.run(60_000);
    expect(stage.streams.length).toBeGreaterThanOrEqual(8);
    expect(stage.facts.filter((fact) => fact.kind === 'unreachable')).toHaveLength(1);
  });

  test('a failed node is dialled less and less often', () => {
    const stage = attached(2);
    stage.packet(2, { kind: 'dead', node: peerOf(1).name, incarnation: 1, from: peerOf(2).name });
    stage.streams.length = 0;
    for (let second = 0; second < 300; second++) {
      // The other one lives.
      stage.packet(2, aliveOf(2, { incarnation: 2 + second }));
      stage.run(1000);
    }
    const dials = stage.streams.filter(({ to, message }) => to.ip === peerOf(1).address.ip && message[0] === 6);
    expect(dials.length).toBeGreaterThanOrEqual(6);
    expect(dials.length).toBeLessThanOrEqual(20);
  });

  test('after we were declared dead, our attachments and rows are said again', () => {
    const stage = attached(1);
    stage.publish('mine', 'x');
    stage.run(3000);
    const sinceMs = stage.nowMs;
    stage.packet(1, { kind: 'dead', node: SELF.name, incarnation: 1, from: peerOf(1).name });
    stage.run(3000);
    expect(stage.envelopes(sinceMs).some(({ envelope }) => envelope.kind === 'networkEvent')).toBe(true);
    expect(stage.tableEvents(sinceMs).some(({ event }) => event.key === 'mine')).toBe(true);
  });
});
