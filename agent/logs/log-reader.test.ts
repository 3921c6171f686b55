import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LogStream } from '#proto/gen/swarmkit/logbroker_pb.js';
import { cutAt, engineEntry, engineLog, type FixtureEntry, frame } from './engine-log.fixture.ts';
import { LONGEST_ENTRY } from './log-entry.ts';
import { createLogReader, type LogRecord } from './log-reader.ts';

const PIECE = 16 * 1024;

/** What a reader makes of the chunks, in a form that is easy to compare. */
function readAll(chunks: readonly Buffer[], tty: boolean): readonly unknown[] {
  const reader = createLogReader(tty);
  return [...chunks.flatMap((chunk) => reader.push(chunk)), ...reader.end()].map(told);
}

function told(record: LogRecord): unknown {
  if (record.kind !== 'entry') return record;
  const { stream, time, details, data } = record.entry;
  return { stream, time, details, data: Buffer.from(data).toString('latin1') };
}

function expected(entry: FixtureEntry, tty = false): unknown {
  return {
    stream: entry.source === 'stderr' && !tty ? LogStream.STDERR : LogStream.STDOUT,
    time: entry.time,
    details: Object.entries(entry.details ?? {}).map(([key, value]) => ({ key, value })),
    data: Buffer.from(entry.data).toString('latin1'),
  };
}

const at = (nanos: number, seconds = 1_700_000_000n) => ({ seconds, nanos });
const out = (data: Buffer | string, nanos = 0): FixtureEntry => ({ source: 'stdout', time: at(nanos), data });

const anyTime = fc.record({ seconds: fc.bigInt({ min: 0n, max: 4_000_000_000n }), nanos: fc.nat(999_999_999) });
const anyDetails = fc.constantFrom({}, { a: 'b' }, { 'k,1': 'v =%', empty: '' });
const cuts = fc.array(fc.nat(), { maxLength: 60 });

describe('of a container without a terminal', () => {
  const anyEntry: fc.Arbitrary<FixtureEntry> = fc.record({
    source: fc.constantFrom('stdout', 'stderr', 'stdin'),
    time: anyTime,
    details: anyDetails,
    data: fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
  });

  it('gives every entry, however the bytes arrive', () => {
    fc.assert(
      fc.property(fc.array(anyEntry, { maxLength: 20 }), cuts, (entries, places) => {
        expect(readAll(cutAt(engineLog(entries), places), false)).toEqual(entries.map((entry) => expected(entry)));
      }),
    );
  });

  it('gives what is whole of a log that is cut, and says that it was', () => {
    fc.assert(
      fc.property(fc.array(anyEntry, { minLength: 1, maxLength: 8 }), fc.nat(), cuts, (entries, end, places) => {
        const whole = engineLog(entries);
        const cut = whole.subarray(0, end % whole.length);
        const results = readAll(cutAt(cut, places), false);
        let count = 0;
        let left = cut.length;
        for (const entry of entries) {
          left -= engineLog([entry]).length;
          if (left < 0) break;
          count++;
        }
        expect(results.slice(0, count)).toEqual(entries.slice(0, count).map((entry) => expected(entry)));
        const atBorder = engineLog(entries.slice(0, count)).length === cut.length;
        expect(results.slice(count)).toEqual(
          atBorder ? [] : [{ kind: 'broken', text: expect.stringContaining('end') }],
        );
      }),
    );
  });

  it('makes the same of corrupt bytes however they arrive, and never throws', () => {
    fc.assert(
      fc.property(
        fc.array(anyEntry, { minLength: 1, maxLength: 8 }),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 5 }),
        cuts,
        (entries, faults, places) => {
          const bytes = engineLog(entries);
          for (const [offset, value] of faults) bytes[offset % bytes.length] = value;
          expect(readAll(cutAt(bytes, places), false)).toEqual(readAll([bytes], false));
        },
      ),
    );
  });

  it.each([
    ['another source', Buffer.from([4, 0, 0, 0, 0, 0, 0, 0]), 'no frame header (0400000000000000) at byte 0'],
    ['a header with rubbish', Buffer.from([1, 0, 7, 0, 0, 0, 0, 0]), 'no frame header (0100070000000000) at byte 0'],
    ['no frames at all', Buffer.from('2024-01-01T00:00:00Z'), 'no frame header'],
    ['a length beyond reason', Buffer.from([1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]), 'a frame of 4294967295 bytes'],
  ])('stops at %s', (_, bytes, text) => {
    const [first, ...more] = readAll([bytes, engineLog([out('later\n')])], false);
    expect(first).toEqual({ kind: 'broken', text: expect.stringContaining(text) });
    expect(more).toEqual([]);
  });

  it('names the offset of what is broken', () => {
    const good = engineLog([out('x\n')]);
    const [, broken] = readAll([good, Buffer.from('rubbish rubbish')], false);
    expect(broken).toEqual({ kind: 'broken', text: expect.stringContaining(`at byte ${good.length} `) });
  });

  it("tells the engine's own errors apart, and reads on", () => {
    const log = Buffer.concat([frame('engine', 'Error grabbing logs: bad json\n'), engineLog([out('next\n')])]);
    expect(readAll([log], false)).toEqual([
      { kind: 'notice', text: 'Error grabbing logs: bad json' },
      expected(out('next\n')),
    ]);
  });

  it('takes an entry without a time for a notice', () => {
    expect(readAll([frame('stdout', 'no time here\n')], false)).toEqual([{ kind: 'notice', text: 'no time here' }]);
  });

  it('takes the longest entry', () => {
    const prefix = engineEntry(out('')).length;
    const longest = out(Buffer.alloc(LONGEST_ENTRY - prefix, 'x'));
    expect(readAll([engineLog([longest])], false)).toEqual([expected(longest)]);
  });
});

describe('of a container with a terminal', () => {
  const text = fc.string({ unit: fc.constantFrom('a', ' ', '\r', ':', '2', '-', 'Z', '\u001b[0m'), maxLength: 60 });
  const line: fc.Arbitrary<readonly FixtureEntry[]> = fc
    .record({ source: fc.constant('stdout' as const), time: anyTime, details: anyDetails, data: text })
    .map((entry) => [{ ...entry, data: `${entry.data}\n` }]);
  /** A line longer than the engine takes at once: pieces with one time, the last with the newline. */
  const longLine: fc.Arbitrary<readonly FixtureEntry[]> = fc
    .record({
      time: anyTime,
      details: anyDetails,
      pieces: fc.integer({ min: 1, max: 3 }),
      rest: text,
      end: fc.constantFrom('\n', '\r\n', '\r'), // the last one as engine 20.10 gives it with the log driver `local`
    })
    .map(({ time, details, pieces, rest, end }) => {
      const entry = (data: string): FixtureEntry => ({ source: 'stdout', time, details, data });
      return [...Array.from({ length: pieces }, () => entry('p'.repeat(PIECE))), entry(rest + end)];
    });
  const log = fc.array(fc.oneof({ weight: 6, arbitrary: line }, { weight: 1, arbitrary: longLine }), { maxLength: 12 });

  it('gives every line and every piece, however the bytes arrive', () => {
    fc.assert(
      fc.property(log, cuts, (lines, places) => {
        const entries = lines.flat();
        expect(readAll(cutAt(engineLog(entries, true), places), true)).toEqual(
          entries.map((entry) => expected(entry, true)),
        );
      }),
    );
  });

  it('makes the same of corrupt bytes however they arrive, and never throws', () => {
    fc.assert(
      fc.property(log, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 5 }), cuts, (lines, faults, places) => {
        const bytes = engineLog(lines.flat(), true);
        for (const [offset, value] of faults) bytes[offset % Math.max(1, bytes.length)] = value;
        expect(readAll(cutAt(bytes, places), true)).toEqual(readAll([bytes], true));
      }),
    );
  });

  it('gives pieces that grew because their bytes were no text', () => {
    const grown = Buffer.from('\u{fffd}'.repeat(PIECE)); // three bytes for each one
    const entries = [out(grown), out(grown), out('end\n')];
    const bytes = engineLog(entries, true);
    expect(readAll([bytes], true)).toEqual(entries.map((entry) => expected(entry, true)));
    expect(readAll(cutAt(bytes, [1000, PIECE + 35, PIECE * 3 + 40]), true)).toEqual(readAll([bytes], true));
  });

  it('gives pieces of different times, as the journal has them', () => {
    const entries = [out('p'.repeat(PIECE), 1), out('p'.repeat(PIECE), 2), out('end\n', 3)];
    expect(readAll([engineLog(entries, true)], true)).toEqual(entries.map((entry) => expected(entry, true)));
  });

  it('gives long lines whose newline the engine has lost', () => {
    const entries = [
      ...[out('p'.repeat(PIECE), 1), out('rest\r', 1)],
      out('next\r\n', 2),
      ...[out('p'.repeat(PIECE), 3), out('', 3)],
      out('\r\n', 4),
      out('a\rb\r\n', 5),
    ];
    expect(readAll([engineLog(entries, true)], true)).toEqual(entries.map((entry) => expected(entry, true)));
  });

  it('gives a line without newline at the end', () => {
    const entries = [out('one\n'), out('p'.repeat(PIECE))];
    expect(readAll([engineLog(entries, true)], true)).toEqual(entries.map((entry) => expected(entry, true)));
  });

  it('does not take a time in the text for an entry', () => {
    const stamp = engineEntry(out('')).toString();
    const entries = [out(`${stamp}${stamp}\n`), out(`${'p'.repeat(100)}${stamp}x\n`)];
    expect(readAll([engineLog(entries, true)], true)).toEqual(entries.map((entry) => expected(entry, true)));
  });

  it("tells the engine's own errors apart, and reads on", () => {
    const bytes = Buffer.concat([Buffer.from('Error grabbing logs: bad json\n'), engineLog([out('next\n')], true)]);
    expect(readAll([bytes], true)).toEqual([
      { kind: 'notice', text: 'Error grabbing logs: bad json' },
      expected(out('next\n'), true),
    ]);
  });

  it('stops at a line without end, having kept no more than an entry of it', () => {
    const reader = createLogReader(true);
    const chunk = Buffer.alloc(64 * 1024, 'x');
    const results: LogRecord[] = [];
    for (let bytes = 0; bytes < 2 * LONGEST_ENTRY; bytes += chunk.length) results.push(...reader.push(chunk));
    expect([...results, ...reader.end()]).toEqual([
      { kind: 'broken', text: expect.stringContaining('a line of more') },
    ]);
  });
});
