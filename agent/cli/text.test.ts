import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dateAndTime, duration, durationSince, parseDuration } from './duration.ts';
import { table } from './table.ts';
import { COLOURS, cut, NO_COLOURS, printable, rows, wrap } from './text.ts';

const S = 1_000;
const MIN = 60 * S;
const H = 60 * MIN;
const D = 24 * H;

it.each<[number, string]>([
  [-5 * S, '0 s'],
  [999, '0 s'],
  [42 * S + 500, '42 s'],
  [60 * S, '1 min'],
  [59 * MIN + 59 * S, '59 min'],
  [H, '1 h'],
  [H + 10 * MIN, '1 h 10 min'],
  [3 * H + 10 * MIN, '3 h'],
  [D, '1 day'],
  [D + 5 * H, '1 day 5 h'],
  [2 * D, '2 days'],
  [80 * D + H, '80 days'],
])('%i ms are %s', (ms, text) => {
  expect(duration(ms)).toBe(text);
});

it('tells moments', () => {
  expect(durationSince('2026-03-10T11:00:00.000Z', '2026-03-10T12:00:00.000Z')).toBe('1 h');
  expect(dateAndTime('2026-05-29T12:34:56.789Z')).toBe('2026-05-29 12:34 UTC');
});

it.each<[string, number | undefined]>([
  ['20s', 20 * S],
  ['90', 90 * S],
  ['0', 0],
  ['250ms', 250],
  ['5m', 5 * MIN],
  ['1h', H],
  ['', undefined],
  ['-1s', undefined],
  ['1.5s', undefined],
  ['1d', undefined],
])('reads %j as %s ms', (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

describe('wrap', () => {
  it.each<[string, number, string[]]>([
    ['', 20, ['']],
    ['one two three four five six', 20, ['one two three four', 'five six']],
    ['x'.repeat(45), 20, ['x'.repeat(20), 'x'.repeat(20), 'xxxxx']],
    ['please run "netd leave" now', 20, ['please run', '"netd leave" now']],
    ['a lone " quote stays here', 20, ['a lone " quote stays', 'here']],
    ['"a quotation much longer than a line"', 20, ['"a quotation much', 'longer than a line"']],
  ])('%j at %i', (text, width, expected) => {
    expect(wrap(text, width)).toEqual(expected);
  });

  it('loses no word and makes no line too long', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 300 }), fc.integer({ min: 20, max: 120 }), (text, width) => {
        const lines = wrap(text, width);
        expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(width);
        expect(lines.join('').replace(/\s/g, '')).toBe(text.replace(/\s/g, ''));
      }),
    );
  });
});

it('cuts from either end', () => {
  expect([cut('abcdef', 6), cut('abcdef', 4), cut('abcdef', 4, 'end'), cut('abcdef', 0)]).toEqual([
    'abcdef',
    'abc…',
    '…def',
    '',
  ]);
});

it('takes away whatever could drive a terminal', () => {
  expect(printable({ a: ['x\u001b[31mred\u001b[0m\n\u0007y', '\u009b2J', '\u202eevil'], n: 1, z: null })).toEqual({
    a: ['x red y', '2J', 'evil'],
    n: 1,
    z: null,
  });
});

it('aligns rows and indents what is wrapped', () => {
  const list = [
    { label: 'A', text: 'short' },
    { label: 'Longer', text: 'one two three four five', paint: COLOURS.red },
  ];
  expect(rows(list, { palette: NO_COLOURS, width: 28 })).toEqual([
    'A       short',
    'Longer  \u001b[31mone two three four\u001b[39m',
    '        \u001b[31mfive\u001b[39m',
  ]);
});

describe('table', () => {
  const columns = [
    { title: 'NAME', min: 4 },
    { title: 'IMAGE', min: 6, keep: 'end' as const },
    { title: 'STATE' },
    { title: 'PORTS' },
  ];
  const list = [
    { cells: ['web.1', 'registry/shop/web:1', 'running', ''] },
    { cells: ['a-long-name.1', 'web:2', 'failed', ''], note: { text: 'it broke' } },
  ];

  it('has room', () => {
    expect(table(columns, list, { palette: NO_COLOURS, width: 80, cutTables: true })).toEqual([
      'NAME           IMAGE                STATE',
      'web.1          registry/shop/web:1  running',
      'a-long-name.1  web:2                failed',
      '    it broke',
    ]);
  });

  it('gives way where it may', () => {
    expect(table(columns, list, { palette: NO_COLOURS, width: 31, cutTables: true })).toEqual([
      'NAME        IMAGE       STATE',
      'web.1       …hop/web:1  running',
      'a-long-na…  web:2       failed',
      '    it broke',
    ]);
  });

  it('keeps what must not be narrowed', () => {
    expect(table(columns, list, { palette: NO_COLOURS, width: 5, cutTables: true })[1]).toBe('web…  …web:1  running');
  });

  it('cuts nothing in a pipe', () => {
    expect(table(columns, list, { palette: NO_COLOURS, width: 5, cutTables: false })[1]).toContain(
      'registry/shop/web:1',
    );
  });
});
