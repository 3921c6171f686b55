import { describe, expect, test } from 'vitest';
import { bulkSyncPeriodMs } from '../networkdb/constants.ts';
import { LamportClock } from '../networkdb/lamport.ts';
import {
  GOSSIP_FANOUT,
  pushPullPeriodMs,
  retransmitLimit,
  suspicionLimits,
  suspicionTimeoutMs,
  tableRounds,
  transmitBudget,
} from './timing.ts';

describe('C14 the arithmetic of the reference', () => {
  test.each([
    [1, 4000, 24000, 4, 30],
    [2, 4000, 24000, 4, 30],
    [3, 4000, 24000, 4, 30],
    [4, 4000, 24000, 4, 30],
    [9, 4000, 24000, 4, 30],
    [10, 4000, 24000, 8, 30],
    [11, 4164, 24984, 8, 30],
    [50, 6792, 40752, 8, 60],
    [99, 7980, 47880, 8, 90],
    [100, 8000, 48000, 12, 90],
    [500, 10792, 64752, 12, 150],
    [999, 11996, 71976, 12, 180],
    [1000, 12000, 72000, 16, 180],
    [5000, 14792, 88752, 16, 270],
    [10000, 16000, 96000, 20, 300],
  ])('C14 %i nodes', (nodes, minMs, maxMs, retransmits, pushPullSec) => {
    expect(suspicionLimits(nodes)).toEqual({ minMs, maxMs, confirmations: nodes < 4 ? 0 : 2 });
    expect(retransmitLimit(nodes)).toBe(retransmits);
    expect(pushPullPeriodMs(nodes)).toBe(pushPullSec * 1000);
  });

  test.each([
    [4, [24000, 11381, 4000]],
    [100, [48000, 22762, 8000]],
    [3, [4000, 4000, 4000]],
  ])('C14 waits of %i nodes after 0, 1 and 2 confirmations', (nodes, waits) => {
    expect([0, 1, 2].map((confirmed) => suspicionTimeoutMs(suspicionLimits(nodes), confirmed))).toEqual(waits);
  });

  test('no broadcast is sent less often than the reference does, nor more often than twice to each peer', () => {
    for (let nodes = 1; nodes < 12_000; nodes++) {
      expect(transmitBudget(nodes)).toBeGreaterThanOrEqual(retransmitLimit(nodes));
      expect(transmitBudget(nodes)).toBeLessThanOrEqual(Math.max(retransmitLimit(nodes), 2 * (nodes - 1)));
    }
    expect([2, 5, 9, 20, 100, 1000].map(transmitBudget)).toEqual([4, 8, 15, 15, 17, 19]);
  });

  test('a table event is told as often as the reference does, and in large clusters no more often than it takes', () => {
    for (let nodes = 1; nodes < 100; nodes++) expect(tableRounds(nodes)).toBe(retransmitLimit(nodes));
    for (let nodes = 100; nodes < 12_000; nodes++) {
      expect(tableRounds(nodes) * GOSSIP_FANOUT).toBeGreaterThanOrEqual(transmitBudget(nodes));
      expect(tableRounds(nodes)).toBe(8);
    }
  });
});

test('regular bulk syncs come every half minute, and less often only where there are tens of thousands of rows', () => {
  expect([0, 1000, 15_000, 60_000, 100_000].map(bulkSyncPeriodMs)).toEqual([30_000, 30_000, 30_000, 120_000, 200_000]);
});

test('C15 the Lamport clock', () => {
  const clock = new LamportClock();
  expect(clock.time).toBe(0n);
  expect(clock.increment()).toBe(1n);
  expect(clock.witness(0n)).toBe(true);
  expect(clock.time).toBe(1n);
  clock.witness(1n);
  expect(clock.time).toBe(2n);
  clock.witness(10n);
  expect(clock.time).toBe(11n);
  expect(clock.increment()).toBe(12n);
  expect(clock.witness(2n ** 63n + 1n)).toBe(false);
  expect(clock.time).toBe(12n);
});

test('a Lamport clock is not taken to its end by one jump, and goes on with clocks that are near it', () => {
  const end = 2n ** 63n;
  const room = 2n ** 32n;
  const clock = new LamportClock();
  clock.witness(5n);
  expect([end, end - room + 1n].map((time) => clock.witness(time))).toEqual([false, false]);
  expect(clock.time).toBe(6n);
  // The highest jump there is: what all say afterwards is still heard by those who made it,
  expect(clock.witness(end - room)).toBe(true);
  expect(clock.witness(end - room + 1000n)).toBe(true);
  expect(clock.increment()).toBe(end - room + 1002n);
  expect(clock.witness(end)).toBe(false);
  // and by those who come new.
  const fresh = new LamportClock();
  fresh.increment();
  expect(fresh.witness(end)).toBe(false);
  expect(fresh.witness(end - room + 1002n)).toBe(true);
  expect(fresh.witness(end)).toBe(false);
});
