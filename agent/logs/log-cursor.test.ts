import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LogStream } from '#proto/gen/swarmkit/logbroker_pb.js';
import { createLogCursor } from './log-cursor.ts';
import type { LogEntry } from './log-entry.ts';
import type { LogRequest } from './log-request.ts';
import { compareLogTime } from './log-time.ts';

const wanted: LogRequest = { stdout: true, stderr: true, follow: true, tail: 5, since: { seconds: 1n, nanos: 0 } };
const entry = (nanos: number, name: string): LogEntry => ({
  stream: LogStream.STDOUT,
  time: { seconds: 1n, nanos },
  details: [],
  data: Buffer.from(name),
});

describe('a cursor', () => {
  it('asks for what was wanted until something was taken', () => {
    const cursor = createLogCursor(wanted);
    expect(cursor.begin()).toEqual(wanted);
    expect(cursor.begin()).toEqual(wanted);
    expect(cursor.take(entry(7, 'a'))).toBe(true);
    expect(cursor.begin()).toEqual({ ...wanted, tail: 'all', since: { seconds: 1n, nanos: 7 } });
  });

  it('takes each piece of a line once', () => {
    const cursor = createLogCursor(wanted);
    cursor.begin();
    for (const name of ['a', 'b', 'c']) expect(cursor.take(entry(7, name))).toBe(true);
    cursor.begin();
    const again = ['a', 'b', 'c', 'd'].map((name) => cursor.take(entry(7, name)));
    expect(again).toEqual([false, false, false, true]);
    expect(cursor.take(entry(8, 'e'))).toBe(true);
  });

  it('gives every entry once and in order, whenever the engine breaks off', () => {
    const steps = fc.array(fc.constantFrom(0, 0, 1, 5), { minLength: 1, maxLength: 30 });
    const reads = fc.array(fc.nat(10), { maxLength: 8 });
    fc.assert(
      fc.property(steps, reads, (gaps, lengths) => {
        let nanos = 0;
        const log = gaps.map((gap, i) => {
          nanos += gap;
          return entry(nanos, `${i}`);
        });
        const cursor = createLogCursor({ ...wanted, tail: 'all' });
        const taken: LogEntry[] = [];
        for (const length of [...lengths, log.length]) {
          const { since } = cursor.begin();
          const told = log.filter(({ time }) => since === undefined || compareLogTime(time, since) >= 0);
          taken.push(...told.slice(0, length).filter(cursor.take));
        }
        expect(taken).toEqual(log);
      }),
    );
  });
});
