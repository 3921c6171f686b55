import { describe, expect, test } from 'vitest';
import { seededRandom } from '#base/random.ts';
import { drawRenewalMs, nextAttemptMs } from './renewal-schedule.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const lowest = () => 0;
const highest = () => 1 - 2 ** -53;

describe('drawRenewalMs', () => {
  test.each([
    // lifetime in minutes, first and last minute of the draw
    ['90 days, extended by an hour', 90 * 24 * 60 + 120, 64_860, 103_775],
    ['1 hour, backdated and extended', 120 + 60, 90, 143],
    ['10 minutes', 10, 5, 7],
    ['3 minutes: a window of one', 3, 1, 1],
    ['1 minute: no window', 1, 0, 0],
    ['nothing', 0, 0, 0],
    ['half minutes are cut off', 2.5, 1, 1],
  ])('%s', (_name, minutes, first, last) => {
    expect(drawRenewalMs(0, minutes * MINUTE, lowest)).toBe(first * MINUTE);
    expect(drawRenewalMs(0, minutes * MINUTE, highest)).toBe(last * MINUTE);
  });

  test('is drawn in whole minutes from the start of the lifetime', () => {
    const random = seededRandom(3);
    for (let i = 0; i < 100; i++) expect((drawRenewalMs(1234, 1234 + 100 * HOUR, random) - 1234) % MINUTE).toBe(0);
  });
});

describe('nextAttemptMs', () => {
  const base = {
    notBeforeMs: 0,
    notAfterMs: 100 * HOUR,
    nowMs: 10 * HOUR,
    attempted: false,
    failures: 0,
    forced: false,
  };

  test.each([
    ['in time: the drawn moment', {}, lowest, 50 * HOUR],
    ['in time, late in the window', {}, highest, 80 * HOUR - MINUTE],
    ['started after the window: at once', { nowMs: 90 * HOUR }, lowest, 50 * HOUR],
    ['forced: at once', { forced: true }, highest, 10 * HOUR],
    ['forced, failed once', { forced: true, failures: 1 }, highest, 10 * HOUR + 10_000],
    ['forced, failed three times', { forced: true, failures: 3 }, highest, 10 * HOUR + 25_000],
    ['forced, failed very often', { forced: true, failures: 10_000 }, highest, 11 * HOUR],
    ['expired', { nowMs: 101 * HOUR }, highest, 101 * HOUR],
    ['expired, failed twice', { nowMs: 101 * HOUR, failures: 2 }, highest, 101 * HOUR + 15_000],
    ['failed with the window ahead: a new draw', { attempted: true, failures: 1 }, lowest, 50 * HOUR],
    [
      'failed past the window: never without a pause',
      { nowMs: 90 * HOUR, attempted: true, failures: 1 },
      lowest,
      90 * HOUR + 5_000,
    ],
    ['renewed just now, in time', { attempted: true }, lowest, 50 * HOUR],
    [
      'renewed just now, past the window of what came',
      { nowMs: 90 * HOUR, attempted: true },
      lowest,
      90 * HOUR + 5 * MINUTE,
    ],
    [
      'failed past the window, longest pause',
      { nowMs: 90 * HOUR, attempted: true, failures: 30 },
      highest,
      91 * HOUR + 5_000,
    ],
  ])('%s', (_name, change, random, expected) => {
    expect(nextAttemptMs({ ...base, ...change }, random)).toBeCloseTo(expected, -1);
  });
});
