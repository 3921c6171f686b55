import { describe, expect, test } from 'vitest';
import { attached, entryOf, joinNetwork, NET, networkEvent, peerOf, pushPull, roster, Stage } from '../core-testkit.ts';
import { transmitBudget } from '../swim/timing.ts';
import { golden } from '../wire/golden-vectors.ts';
import { encodeCompoundEnvelope, encodeEnvelope, encodeNetworkEvent } from '../wire/networkdb-encode.ts';
import { DETACHED_MS } from './constants.ts';
import { reapAttachments } from './network-events.ts';

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
    expect(relayed(joinNetwork(2, NET, 5n))).toBe(transmitBudget(4));
    expect(roster(stage)).toEqual([peerOf(2).name]);
    expect(relayed(joinNetwork(2, NET, 5n))).toBe(0);
    expect(relayed(joinNetwork(2, NET, 4n))).toBe(0);
    expect(relayed(networkEvent('leave', 2, NET, 6n))).toBe(transmitBudget(4));
    expect(roster(stage)).toEqual([]);
  });

  test('a LEAVE that comes before its JOIN keeps the JOIN out', () => {
    const stage = new Stage();
    stage.meet(2);
    stage.user(1, networkEvent('leave', 2, NET, 5n));
    stage.user(1, joinNetwork(2, NET, 4n));
    expect(roster(stage)).toEqual([]);
    stage.user(1, joinNetwork(2, NET, 6n));
    expect(roster(stage)).toEqual([peerOf(2).name]);
  });

  test('an attachment that ended is forgotten when its own time is up', () => {
    const stage = new Stage();
    stage.meet(3);
    const { io, db } = stage.core;
    const startMs = io.nowMs;
    const remembered = (afterMs: number) => {
      io.nowMs = startMs + afterMs;
      reapAttachments(db.state);
      return [1, 2, 3].filter((n) => db.state.attachments.has(peerOf(n).name));
    };
    stage.user(1, joinNetwork(3, NET, 4n));
    stage.user(1, networkEvent('leave', 1, NET, 5n));
    expect(remembered(600_000)).toEqual([1, 3]);
    stage.user(1, networkEvent('leave', 2, NET, 6n));
    expect(remembered(DETACHED_MS - 1)).toEqual([1, 2, 3]);
    expect(remembered(DETACHED_MS)).toEqual([2, 3]);
    expect(remembered(DETACHED_MS + 599_999)).toEqual([2, 3]);
    expect(remembered(DETACHED_MS + 600_000)).toEqual([3]);
  });

  test('N02 strangers leave nothing behind', () => {
    const stage = new Stage();
    stage.meet(1);
    stage.run(5000);
    const held = () => {
      const { attachments, rosters, peers, networkQueue, nodeQueue, unheard } = stage.core.db.state;
      return [attachments.size, rosters.size, peers.size, networkQueue.size, nodeQueue.size, unheard.size];
    };
    const before = held();
    const sinceMs = stage.nowMs;
    // Thirty a packet, as a flood would come.
    for (let packet = 0; packet < 4000; packet++) {
      const events = Array.from({ length: 30 }, (_, i) => {
        const node = `stranger${packet * 30 + i}`;
        const type = i % 10 === 9 ? 'leave' : 'join';
        return encodeEnvelope(
          'networkEvent',
          encodeNetworkEvent({ type, time: BigInt(packet + 1), node, network: NET }),
        );
      });
      stage.user(1, encodeCompoundEnvelope(events));
    }
    expect(held()).toEqual(before);
    stage.run(2000);
    expect(stage.envelopes(sinceMs)).toEqual([]);
  });

  test('F26 a push/pull full of strangers leaves nothing behind either', () => {
    const stage = new Stage();
    stage.meet(1);
    const strangers = Array.from({ length: 100_000 }, (_, i) => `n${i}`);
    // One that is known comes last: then all before it have been read.
    const attachments = [...strangers, peerOf(1).name].map((node) => ({
      network: NET,
      time: 1n,
      node,
      leaving: false,
    }));
    stage.request(pushPull(1, [entryOf(1)], attachments));
    for (let turn = 0; turn < 200 && roster(stage).length === 0; turn++) stage.input({ kind: 'tick' });
    expect(roster(stage)).toEqual([peerOf(1).name]);
    const { attachments: kept, rosters, peers, unheard } = stage.core.db.state;
    expect([kept.size, rosters.size, peers.size, unheard.size]).toEqual([1, 1, 1, 0]);
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
