import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LogStream } from '#proto/gen/swarmkit/logbroker_pb.js';
import { engineEntry } from './engine-log.fixture.ts';
import { parseDetails, parseLogEntry } from './log-entry.ts';

const { STDOUT } = LogStream;

describe('parseDetails', () => {
  it.each([
    ['', []],
    ['a=1', [['a', '1']]],
    [
      'a=1,b=2',
      [
        ['a', '1'],
        ['b', '2'],
      ],
    ],
    ['a=', [['a', '']]],
    ['a', [['a', '']]],
    ['a=b=c', [['a', 'b=c']]],
    ['com.docker.swarm.service.name=web', [['com.docker.swarm.service.name', 'web']]],
    ['k+1=v+2', [['k 1', 'v 2']]],
    ['k%2C=%3D%25%2B', [['k,', '=%+']]],
    ['k=gr%C3%BC%C3%9Fe', [['k', 'grüße']]],
    ['k=%C3', [['k', '\u{fffd}']]],
    ['k=100%', [['k', '100%']]],
  ])('%s', (text, expected) => {
    expect(parseDetails(text).map(({ key, value }) => [key, value])).toEqual(expected);
  });
});

describe('parseLogEntry', () => {
  const parse = (text: string) => parseLogEntry(STDOUT, Buffer.from(text));

  it.each([
    ['a line', '1970-01-01T00:00:01.000000002Z  hello world\n', 'hello world\n', []],
    ['a piece', '1970-01-01T00:00:01.000000002Z  no newline', 'no newline', []],
    ['an empty line', '1970-01-01T00:00:01.000000002Z  \n', '\n', []],
    ['nothing at all', '1970-01-01T00:00:01.000000002Z  ', '', []],
    ['leading spaces', '1970-01-01T00:00:01.000000002Z    x\n', '  x\n', []],
    ['details', '1970-01-01T00:00:01.000000002Z a=b x=y z\n', 'x=y z\n', [{ key: 'a', value: 'b' }]],
    ['a carriage return', '1970-01-01T00:00:01.000000002Z  x\r\n', 'x\r\n', []],
  ])('%s', (_, text, data, details) => {
    const entry = parse(text);
    expect(entry).toMatchObject({ stream: STDOUT, time: { seconds: 1n, nanos: 2 }, details });
    expect(Buffer.from(entry?.data ?? []).toString()).toBe(data);
  });

  it.each([
    ['nothing', ''],
    ["the engine's own word", 'Error grabbing logs: unexpected EOF\n'],
    ['no space', '1970-01-01T00:00:01.000000002Z'],
    ['one space', '1970-01-01T00:00:01.000000002Z details-but-no-end'],
    ['no time', 'hello world again\n'],
    ['a space too late', `${'9'.repeat(40)} x y`],
  ])('refuses %s', (_, text) => {
    expect(parse(text)).toBeUndefined();
  });

  it('gives back any line and any details', () => {
    const text = fc.string({ unit: 'grapheme' });
    const entry = fc.record({
      data: fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      details: fc.dictionary(text, text, { maxKeys: 4, noNullPrototype: true }),
      seconds: fc.bigInt({ min: 0n, max: 253402300799n }),
      nanos: fc.nat({ max: 999_999_999 }),
    });
    fc.assert(
      fc.property(entry, ({ data, details, seconds, nanos }) => {
        const time = { seconds, nanos };
        const parsed = parseLogEntry(STDOUT, engineEntry({ source: 'stdout', time, details, data }));
        expect(parsed?.time).toEqual(time);
        expect(Buffer.from(parsed?.data ?? [])).toEqual(data);
        expect(parsed?.details.map(({ key, value }) => [key, value])).toEqual(Object.entries(details));
      }),
    );
  });
});
