import { describe, expect, test } from 'vitest';
import {
  aliveOf,
  attached,
  bulkOf,
  bulkSync,
  eventsIn,
  joinNetwork,
  NET,
  peerOf,
  pushPull,
  SELF,
  Stage,
  tableEvent,
} from '../core-testkit.ts';
import { decodeBulkSync, decodeEnvelope, eachInCompound } from '../wire/networkdb-decode.ts';
import { decodePushPull } from '../wire/push-pull.ts';
import { encodeUserStream } from '../wire/user-stream.ts';

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

  test('nothing is asked of a peer while it waits for our answer; others are asked', () => {
    const stage = attached(2);
    stage.play = () => 'hang';
    stage.streams.length = 0;
    stage.request(bulkSync(1, [], { unsolicited: true }));
    for (const index of [1, 2]) stage.core.db.bulk.request(peerOf(index).name, [NET], () => undefined);
    stage.run(0);
    stage.input({ kind: 'tick' });
    const sent = () =>
      stage.streams.map((stream) => {
        const { unsolicited } = decodeBulkSync(bulkOf(stream)?.data ?? Buffer.alloc(0));
        return [stream.to.ip, unsolicited ? 'request' : 'answer'];
      });
    expect(sent()).toEqual([
      [peerOf(1).address.ip, 'answer'],
      [peerOf(2).address.ip, 'request'],
    ]);
    stage.input({ kind: 'stream-done', id: stage.streams[0]?.id ?? 0, reply: undefined });
    expect(sent().at(-1)).toEqual([peerOf(1).address.ip, 'request']);
  });

  describe('a request of a node we do not know, which a container there waits for,', () => {
    const asked = () => {
      const stage = attached(1);
      stage.play = () => undefined;
      stage.publish('mine', 'x');
      stage.streams.length = 0;
      stage.request(bulkSync(2, [], { unsolicited: true }));
      stage.request(bulkSync(2, [], { unsolicited: true, networks: ['unknown', NET] }));
      expect(stage.streams).toEqual([]);
      return stage;
    };
    const answers = (stage: Stage) =>
      stage.streams
        .filter(({ to }) => to.ip === peerOf(2).address.ip)
        .flatMap((stream) => bulkOf(stream) ?? [])
        .map(({ data }) => decodeBulkSync(data))
        .filter(({ unsolicited }) => !unsolicited);

    test('is answered as soon as we have heard of it, once', () => {
      const stage = asked();
      stage.packet(1, aliveOf(2));
      expect(answers(stage)).toMatchObject([{ node: SELF.name, networks: [NET] }]);
      expect(answers(stage).flatMap(({ payload }) => eventsIn(payload).map(({ key }) => key))).toEqual(['mine']);
      stage.run(1000);
      expect(answers(stage)).toHaveLength(1);
    });

    test('is answered when it is back after we had given it up', () => {
      const stage = attached(2);
      stage.play = () => undefined;
      stage.packet(1, { kind: 'dead', node: peerOf(2).name, incarnation: 1, from: peerOf(1).name });
      stage.request(bulkSync(2, [], { unsolicited: true }));
      expect(answers(stage)).toEqual([]);
      stage.packet(1, aliveOf(2, { incarnation: 2 }));
      expect(answers(stage)).toHaveLength(1);
    });

    test('is forgotten when it has given up, and where too many such nodes ask', () => {
      const late = asked();
      late.run(10_000);
      late.packet(1, aliveOf(2));
      expect(answers(late)).toEqual([]);

      const flooded = asked();
      for (let index = 0; index < 64; index++)
        flooded.request(bulkSync(3, [], { unsolicited: true, node: `n${index}` }));
      flooded.packet(1, aliveOf(2));
      expect(answers(flooded)).toEqual([]);
    });
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
    expect(syncs.slice(0, first).map((sync) => sync.networks)).toEqual([
      ...new Array<string[]>(first - 1).fill([]),
      [NET],
    ]);
    expect(syncs.slice(0, first).reduce((sum, sync) => sum + eventsIn(sync.payload).length, 0)).toBe(6000);
  });

  test('an update, ours or relayed, is in none for ten seconds: there it would be a new row, and overtake the gossip', () => {
    const stage = attached(1);
    stage.play = () => undefined;
    const told = () => {
      stage.streams.length = 0;
      stage.request(bulkSync(1, [], { unsolicited: true }));
      const answer = decodeBulkSync(bulkOf(stage.streams[0] ?? { message: Buffer.alloc(1) })?.data ?? Buffer.alloc(0));
      return eventsIn(answer.payload).map(({ type, key, value }) => `${type} ${key} ${value}`);
    };
    stage.publish('ours', 'new');
    stage.user(1, tableEvent(1, { key: 'theirs', value: 'new' }));
    expect(told()).toEqual(['create ours new', 'create theirs new']);
    stage.publish('ours', 'changed', 'update');
    stage.user(1, tableEvent(1, { key: 'theirs', value: 'changed', type: 'update', time: 60n }));
    expect(told()).toEqual([]);
    stage.run(9900);
    expect(told()).toEqual([]);
    stage.run(200);
    expect(told()).toEqual(['create ours changed', 'create theirs changed']);
    stage.publish('ours', 'last', 'update');
    stage.input({ kind: 'withdraw', network: NET, table: 'endpoint_table', key: 'ours' });
    expect(told()).toEqual(['delete ours last', 'create theirs changed']);
  });

  describe('a network is heard', () => {
    const alone = () => {
      const stage = new Stage();
      stage.input({ kind: 'attach', network: NET });
      stage.meet(1);
      stage.play = () => undefined;
      return stage;
    };
    const standing = (stage: Stage) => stage.core.db.state.own.get(NET)?.heard;

    test('when a member has asked about it, which brings its rows: nobody else is asked then', () => {
      const stage = alone();
      stage.user(1, joinNetwork(1, NET, 1n));
      stage.request(bulkSync(1, [tableEvent(1)], { unsolicited: true }));
      expect(standing(stage)).toBe(true);
      expect(stage.row('k')?.value).toBe('v');
    });

    test('when an answer is there whole: a part names no networks', () => {
      const stage = alone();
      stage.user(1, joinNetwork(1, NET, 1n));
      stage.core.db.bulk.request(peerOf(1).name, [NET], () => undefined);
      stage.request(bulkSync(1, [tableEvent(1)], { networks: [] }));
      expect([standing(stage), stage.core.db.bulk.load.awaited]).toEqual([false, 1]);
      stage.request(bulkSync(1, [tableEvent(1, { key: 'other' })]));
      expect([standing(stage), stage.core.db.bulk.load.awaited]).toEqual([true, 0]);
      expect([stage.row('k')?.value, stage.row('other')?.value]).toEqual(['v', 'v']);
    });

    test('when nothing is on it: an answer without rows that names no networks is no part', () => {
      const stage = alone();
      stage.user(1, joinNetwork(1, NET, 1n));
      stage.core.db.bulk.request(peerOf(1).name, [NET], () => undefined);
      stage.request(bulkSync(1, [], { networks: [] }));
      expect([standing(stage), stage.core.db.bulk.load.awaited]).toEqual([false, 0]);
    });

    test('not from a node that is not known to be on it, whose rows are dropped', () => {
      const stage = alone();
      stage.request(bulkSync(1, [tableEvent(1)], { unsolicited: true }));
      expect([standing(stage), stage.row('k')]).toEqual([false, undefined]);
    });

    test('not by silence', () => {
      const stage = alone();
      stage.user(1, joinNetwork(1, NET, 1n));
      stage.run(70_000);
      expect(standing(stage)).toBe(false);
    });
  });

  test('a request begins with our attachments, an answer does not', () => {
    const stage = attached(1);
    stage.play = () => undefined;
    stage.publish('mine', 'x');
    const payloadOf = (index: number) =>
      decodeBulkSync(bulkOf(stage.streams[index] ?? { message: Buffer.alloc(1) })?.data ?? Buffer.alloc(0)).payload;
    const kindsIn = (payload: Buffer) =>
      [...eachInCompound(decodeEnvelope(payload).data)].map((part) => decodeEnvelope(part).kind);
    stage.streams.length = 0;
    stage.core.db.bulk.request(peerOf(1).name, [NET], () => undefined);
    stage.input({ kind: 'tick' });
    expect(kindsIn(payloadOf(0))).toEqual(['networkEvent', 'tableEvent']);
    stage.streams.length = 0;
    stage.request(bulkSync(1, [], { unsolicited: true }));
    expect(kindsIn(payloadOf(0))).toEqual(['tableEvent']);
  });

  test('an attachment in a bulk sync is heard before the rows that follow it', () => {
    const stage = attached(1);
    stage.packet(2, aliveOf(2));
    stage.request(bulkSync(2, [joinNetwork(2, NET, 5n), tableEvent(2)]));
    expect(stage.row('k')?.value).toBe('v');
  });

  test('a network about which members keep asking us has no regular rounds of ours', () => {
    const stage = attached(2);
    stage.play = () => undefined;
    const requests = (ms: number, askingEveryMs: number) => {
      stage.streams.length = 0;
      for (let passedMs = 0; passedMs < ms; passedMs += askingEveryMs) {
        stage.request(bulkSync(1, [], { unsolicited: true }));
        stage.run(askingEveryMs);
      }
      return stage.streams.filter((stream) => {
        const envelope = bulkOf(stream);
        return envelope !== undefined && decodeBulkSync(envelope.data).unsolicited;
      }).length;
    };
    expect(requests(300_000, 30_000)).toBe(0);
    expect(requests(600_000, 600_000)).toBeGreaterThanOrEqual(18);
  });

  test('N13 the first regular sync comes within 30 s, the next 30 s later, over all shared networks', () => {
    const stage = new Stage();
    const networks = [NET, 'network2'];
    for (const network of networks) stage.input({ kind: 'attach', network });
    stage.meet(1, networks);
    // Who has heard nothing asks sooner, as does who sees another attach.
    stage.request(bulkSync(1, [], { networks }));
    stage.run(4000);
    stage.streams.length = 0;
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
