import { describe, expect, test } from 'vitest';
import {
  aliveOf,
  attached,
  bulkOf,
  bulkSync,
  eventsIn,
  joinNetwork,
  NET,
  SELF,
  Stage,
  tableEvent,
} from '../core-testkit.ts';
import { GOLDEN_WORLD, golden } from '../wire/golden-vectors.ts';
import { decodeBulkSync, decodeEnvelope } from '../wire/networkdb-decode.ts';
import { encodeCompoundEnvelope, encodeEnvelope, encodeNetworkEvent } from '../wire/networkdb-encode.ts';

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
    const answer = decodeBulkSync(bulkOf(stage.streams[0] ?? { message: Buffer.alloc(1) })?.data ?? Buffer.alloc(0));
    expect(eventsIn(answer.payload).map(({ key, value }) => [key, value.length])).toEqual([['size', 1392 - overhead]]);
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

  test.each(['gossip', 'bulk sync'])(
    'F12 M37 by %s: a tombstone with a negative residual is gone in ten seconds',
    (by) => {
      const stage = attached(1);
      const { nodeB } = GOLDEN_WORLD;
      stage.packet(1, aliveOf(12, { node: nodeB }));
      stage.user(
        1,
        encodeEnvelope('networkEvent', encodeNetworkEvent({ type: 'join', time: 9n, node: nodeB, network: NET })),
      );
      const receive = () =>
        by === 'gossip' ? stage.user(1, golden('M37')) : stage.request(bulkSync(1, [golden('M37')]));
      receive();
      expect(stage.changes).toEqual([]);
      stage.run(10_000);
      expect([...stage.core.db.state.rows.of(NET)]).toEqual([]);
      // It is believed all the same: it is newer than the row.
      stage.user(1, tableEvent(1, { owner: nodeB, time: 6n }));
      receive();
      expect(stage.changes.at(-1)).toMatchObject({ before: { key: 'k' }, after: undefined });
      stage.run(10_000);
      expect([...stage.core.db.state.rows.of(NET)]).toEqual([]);
    },
  );

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
