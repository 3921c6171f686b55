import { describe, expect, test } from 'vitest';
import { attached, entryOf, joinNetwork, NET, networkEvent, peerOf, pushPull, roster, Stage } from '../core-testkit.ts';
import { transmitBudget } from '../swim/timing.ts';
import { golden } from '../wire/golden-vectors.ts';
import { decodeEnvelope, decodeNetworkEvent } from '../wire/networkdb-decode.ts';
import { decodePushPull } from '../wire/push-pull.ts';

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

  test('N02 strangers leave nothing behind', () => {
    const stage = new Stage();
    for (let index = 0; index < 5000; index++) {
      const event = decodeNetworkEvent(decodeEnvelope(joinNetwork(1, NET, 1n)).data);
      const state = pushPull(1, [], [{ ...event, node: `stranger${index}`, leaving: false }]);
      expect([...stage.core.db.mergeState(decodePushPull(state).userState)]).toEqual([]);
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
