import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { engineStamp } from './engine-log.fixture.ts';
import { compareLogTime, engineTime, parseLogTime, saneLogTime } from './log-time.ts';

describe('parseLogTime', () => {
  it.each([
    ['1970-01-01T00:00:00.000000000Z', 0n, 0],
    ['2024-02-29T23:59:59.123456789Z', 1709251199n, 123456789],
    ['2024-03-01T01:59:59.000000001+02:00', 1709251199n, 1],
    ['2024-02-29T14:59:59.900000000-09:00', 1709251199n, 900000000],
    ['2024-02-29T23:59:59.5Z', 1709251199n, 500000000],
    ['2024-02-29T23:59:59Z', 1709251199n, 0],
    ['1969-12-31T23:59:59.999999999Z', -1n, 999999999],
    ['0001-01-01T00:00:00.000000000Z', -62135596800n, 0], // an entry without a time: Go's zero
    ['9999-12-31T23:59:59.999999999Z', 253402300799n, 999999999],
  ])('%s', (text, seconds, nanos) => {
    expect(parseLogTime(text)).toEqual({ seconds, nanos });
  });

  it.each([
    '',
    'Error',
    '2024-02-29',
    '2024-02-29T23:59:59.123456789',
    '2024-02-29 23:59:59.123456789Z',
    '2024-13-01T00:00:00.000000000Z',
    '2024-01-01T25:00:00.000000000Z',
    '2024-01-01T00:00:00.0000000001Z',
    '2024-01-01T00:00:00.Z',
    '24-01-01T00:00:00.000000000Z',
    '2024-01-01T00:00:00.000000000Z ',
  ])('refuses %j', (text) => {
    expect(parseLogTime(text)).toBeUndefined();
  });
});

it('times keep every nanosecond, from the engine and to it', () => {
  const time = fc.record({
    seconds: fc.bigInt({ min: 0n, max: 253402300799n }),
    nanos: fc.nat({ max: 999_999_999 }),
  });
  fc.assert(
    fc.property(time, (at) => {
      expect(parseLogTime(engineStamp(at))).toEqual(at);
      const [seconds = '', nanos = ''] = engineTime(at).split('.');
      expect([BigInt(seconds), Number(nanos), nanos.length]).toEqual([at.seconds, at.nanos, 9]);
    }),
  );
});

it('engineTime pads nanoseconds on the left', () => {
  expect(engineTime({ seconds: 7n, nanos: 42 })).toBe('7.000000042');
});

it('compareLogTime orders by seconds, then nanoseconds', () => {
  const sorted = [
    { seconds: -1n, nanos: 999_999_999 },
    { seconds: 0n, nanos: 0 },
    { seconds: 0n, nanos: 1 },
    { seconds: 2n ** 40n, nanos: 0 },
  ];
  for (const [i, a] of sorted.entries()) {
    for (const [j, b] of sorted.entries()) expect(Math.sign(compareLogTime(a, b))).toBe(Math.sign(i - j));
  }
});

it.each([
  [-5, 0],
  [0, 0],
  [999_999_999, 999_999_999],
  [2_000_000_000, 999_999_999],
])('saneLogTime forces %d ns to %d', (nanos, sane) => {
  expect(saneLogTime({ seconds: 3n, nanos })).toEqual({ seconds: 3n, nanos: sane });
});
