import { describe, expect, test } from 'vitest';
import {
  attached,
  attachmentsOf,
  bulkOf,
  bulkSync,
  eventsIn,
  NET,
  peerOf,
  pushPull,
  SELF,
  Stage,
  tableEvent,
} from '../core-testkit.ts';
import { decodeBulkSync, decodeNetworkEvent } from '../wire/networkdb-decode.ts';

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

  test('members that do not answer are asked again and others too, until one sends its rows', () => {
    const stage = new Stage();
    stage.meet(5, [NET]);
    stage.run(4000);
    stage.play = (stream) => (stream.wantsReply ? 'fail' : undefined);
    stage.streams.length = 0;
    stage.input({ kind: 'attach', network: NET });
    const asked = () => stage.streams.filter((stream) => bulkOf(stream) !== undefined);
    expect(asked()).toHaveLength(3);
    stage.run(4000);
    expect(asked().length).toBeGreaterThanOrEqual(5);
    expect(new Set(asked().map(({ to }) => to.ip)).size).toBeGreaterThanOrEqual(4);
    stage.request(bulkSync(1, [tableEvent(1)]));
    const before = asked().length;
    stage.run(5000);
    expect(asked()).toHaveLength(before);
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
