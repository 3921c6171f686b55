import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Timers } from './timers.ts';

test('timers run in order of their time, equals in order of their making, cancelled ones not at all', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ at: fc.nat(50), cancel: fc.boolean() })), (wanted) => {
      const timers = new Timers();
      const ran: number[] = [];
      for (const [index, { at, cancel }] of wanted.entries()) {
        const timer = timers.at(at, () => ran.push(index));
        if (cancel) timer.cancel();
      }
      for (let now = timers.nextAtMs(); now !== undefined; now = timers.nextAtMs()) timers.runDue(now);
      const expected = [...wanted.entries()]
        .filter(([, one]) => !one.cancel)
        .sort(([a, x], [b, y]) => x.at - y.at || a - b)
        .map(([index]) => index);
      expect(ran).toEqual(expected);
    }),
  );
});

test('what a timer adds for now waits for the next call', () => {
  const timers = new Timers();
  const ran: string[] = [];
  timers.at(1, () => {
    ran.push('first');
    timers.at(1, () => ran.push('second'));
  });
  timers.runDue(5);
  expect(ran).toEqual(['first']);
  expect(timers.nextAtMs()).toBe(1);
  timers.runDue(5);
  expect(ran).toEqual(['first', 'second']);
});

test('missed turns are dropped, not made up for', () => {
  const timers = new Timers();
  const ran: number[] = [];
  timers.every(
    100,
    () => 100,
    (nowMs) => ran.push(nowMs),
  );
  timers.runDue(100);
  timers.runDue(230);
  timers.runDue(1030);
  timers.runDue(1050);
  expect(ran).toEqual([100, 230, 1030]);
  expect(timers.nextAtMs()).toBe(1100);
});

test('a judgement that comes late waits once more, so that what is unread can be read', () => {
  const timers = new Timers();
  const ran: number[] = [];
  timers.at(100, () => ran.push(1), true);
  timers.runDue(900);
  expect([ran, timers.nextAtMs()]).toEqual([[], 1100]);
  timers.runDue(1400);
  expect(ran).toEqual([1]);
});
