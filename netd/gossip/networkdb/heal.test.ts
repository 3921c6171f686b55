import { describe, expect, test } from 'vitest';
import {
  aliveOf,
  attached,
  bulkOf,
  bulkSync,
  entryOf,
  joinNetwork,
  NET,
  PORT,
  peerOf,
  pushPull,
  SELF,
  Stage,
  tableEvent,
} from '../core-testkit.ts';
import { decodeBulkSync } from '../wire/networkdb-decode.ts';
import { encodeEnvelope, encodeNodeEvent } from '../wire/networkdb-encode.ts';

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

  test('N16 managers that said goodbye, whom nobody dials again, are found when they are back', () => {
    const stage = new Stage();
    const managers = [1, 2].map((index) => peerOf(index).address);
    const names = managers.map((_, i) => peerOf(i + 1).name);
    stage.play = ({ to, message }) => {
      const index = managers.findIndex(({ ip }) => ip === to.ip);
      const name = names[index];
      return message[0] === 6 && name !== undefined ? pushPull(index + 1, [entryOf(index + 1, { name })]) : 'fail';
    };
    stage.input({ kind: 'join', addresses: managers });
    // Another worker stays: we are not alone.
    stage.packet(3, aliveOf(3));
    stage.run(1000);
    for (const [i, name] of names.entries()) {
      stage.user(3, encodeEnvelope('nodeEvent', encodeNodeEvent({ type: 'leave', time: 90n + BigInt(i), node: name })));
      stage.packet(3, { kind: 'dead', node: name, incarnation: 1, from: name });
    }
    expect([1, 2].map((index) => stage.memberState(index))).toEqual(['left', 'left']);
    names.splice(0, 2, 'eeeeeeeeeee1', 'eeeeeeeeeee2');
    stage.run(70_000);
    expect(names.map((name) => stage.core.swim.state.members.get(name)?.state)).toEqual(['alive', 'alive']);
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

  describe('after we were declared dead', () => {
    const said: Readonly<Record<string, (stage: Stage) => void>> = {
      'by gossip': (stage) => stage.packet(1, { kind: 'dead', node: SELF.name, incarnation: 1, from: peerOf(1).name }),
      'in the push/pull of one that comes to see': (stage) =>
        void stage.request(pushPull(1, [{ ...entryOf(1), name: SELF.name, ...SELF.address, state: 'dead' }])),
    };

    test.each(Object.entries(said))('%s, our attachments and rows are said again', (_how, declare) => {
      const stage = attached(1);
      stage.publish('mine', 'x');
      stage.run(3000);
      const sinceMs = stage.nowMs;
      declare(stage);
      stage.run(3000);
      expect(stage.envelopes(sinceMs).some(({ envelope }) => envelope.kind === 'networkEvent')).toBe(true);
      expect(stage.tableEvents(sinceMs).some(({ event }) => event.key === 'mine')).toBe(true);
    });

    test.each(Object.entries(said))('%s, members that do not ask us are told by a bulk sync', (_how, declare) => {
      const stage = attached(3);
      for (const index of [1, 2, 3]) stage.request(bulkSync(index, [], { unsolicited: true }));
      stage.run(1000);
      stage.play = () => undefined;
      stage.streams.length = 0;
      declare(stage);
      stage.request(bulkSync(2, [], { unsolicited: true }));
      stage.run(3500);
      const told = stage.streams.filter((stream) => {
        const envelope = bulkOf(stream);
        return envelope !== undefined && decodeBulkSync(envelope.data).unsolicited;
      });
      expect(told.map(({ to }) => to.ip).sort()).toEqual([peerOf(1).address.ip, peerOf(3).address.ip]);
    });

    test('once more soon after that: all is said once more', () => {
      const stage = attached(1);
      const declare = () => {
        const { incarnation } = stage.core.swim.state.self;
        stage.packet(1, { kind: 'dead', node: SELF.name, incarnation, from: peerOf(1).name });
      };
      declare();
      stage.run(1000);
      const sinceMs = stage.nowMs;
      const timesSaid = () => {
        const events = stage.envelopes(sinceMs).filter(({ envelope }) => envelope.kind === 'networkEvent');
        return new Set(events.map(({ bytes }) => bytes.toString('hex'))).size;
      };
      stage.run(500);
      const before = timesSaid();
      declare();
      declare();
      declare();
      stage.run(5000);
      expect(timesSaid() - before).toBe(1);
      stage.run(20_000);
      expect(timesSaid() - before).toBe(1);
    });

    test('of a life before the one they know: nothing is said', () => {
      const stage = attached(1);
      stage.packet(1, { kind: 'dead', node: SELF.name, incarnation: 1, from: peerOf(1).name });
      stage.run(20_000);
      const before = stage.facts.filter(({ kind }) => kind === 'resurrected').length;
      stage.request(pushPull(1, [{ ...entryOf(1), name: SELF.name, ...SELF.address, incarnation: 1, state: 'dead' }]));
      expect(stage.facts.filter(({ kind }) => kind === 'resurrected').length).toBe(before);
    });
  });

  test.each([
    ['asked', 0],
    ['not asked', 1],
  ] as const)('a node that came back and has %s us for the rows itself is asked %i times', (what, times) => {
    const stage = attached(2);
    stage.play = ({ wantsReply }) => {
      const attachment = { network: NET, time: 1n, node: peerOf(1).name, leaving: false };
      return wantsReply ? pushPull(1, [entryOf(1, { incarnation: 2 })], [attachment]) : undefined;
    };
    stage.packet(2, { kind: 'dead', node: peerOf(1).name, incarnation: 1, from: peerOf(2).name });
    stage.packet(1, aliveOf(1, { incarnation: 2 }));
    stage.streams.length = 0;
    if (what === 'asked') {
      stage.user(1, joinNetwork(1, NET, 2n));
      stage.request(bulkSync(1, [], { unsolicited: true }));
    }
    stage.run(2500);
    const requests = stage.streams.filter((stream) => {
      const envelope = bulkOf(stream);
      return stream.to.ip === peerOf(1).address.ip && envelope && decodeBulkSync(envelope.data).unsolicited;
    });
    expect(requests).toHaveLength(times);
  });

  test('an attachment that a push/pull tells again, under a newer time, is followed by nothing', () => {
    const stage = attached(2);
    stage.streams.length = 0;
    const attachment = { network: NET, time: 9n, node: peerOf(2).name, leaving: false };
    stage.request(pushPull(1, [entryOf(1), entryOf(2)], [attachment]));
    stage.run(2500);
    expect(stage.streams.filter((stream) => bulkOf(stream) !== undefined)).toEqual([]);
  });

  test('an attachment that only a push/pull tells of is followed by a bulk sync, for the rows that were dropped', () => {
    const stage = attached(1);
    stage.play = () => undefined;
    stage.packet(2, aliveOf(2));
    stage.user(2, tableEvent(2));
    expect(stage.row('k')).toBeUndefined();
    stage.streams.length = 0;
    const attachment = { network: NET, time: 4n, node: peerOf(2).name, leaving: false };
    stage.request(pushPull(1, [entryOf(1), entryOf(2)], [attachment]));
    stage.run(2000);
    const syncs = stage.streams.filter((stream) => bulkOf(stream) !== undefined);
    expect(syncs).toHaveLength(1);
  });
});
