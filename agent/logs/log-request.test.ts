import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { LogStream, LogSubscriptionOptionsSchema } from '#proto/gen/swarmkit/logbroker_pb.js';
import type { LogEntry } from './log-entry.ts';
import { engineLogOptions, logRequest, tailLines, wantsEntry } from './log-request.ts';

const { STDOUT, STDERR, UNKNOWN } = LogStream;
const both = { stdout: true, stderr: true, follow: false, tail: 'all', since: undefined } as const;

describe('tailLines', () => {
  it.each([
    [0n, 'all'],
    [-1n, 0],
    [-2n, 1],
    [-11n, 10],
    [-(2n ** 63n), 'all'],
    [1n, undefined],
    [2n ** 63n - 1n, undefined],
  ])('%d', (tail, lines) => {
    expect(tailLines(tail)).toBe(lines);
  });
});

describe('logRequest', () => {
  it.each([
    ['nothing said', {}, both],
    ['both streams', { streams: [STDERR, STDOUT] }, both],
    ['standard output', { streams: [STDOUT] }, { ...both, stderr: false }],
    ['standard error, and one nobody knows', { streams: [STDERR, 9] }, { ...both, stdout: false }],
    ['follow, last ten', { follow: true, tail: -11n }, { ...both, follow: true, tail: 10 }],
    ['since', { since: { seconds: 5n, nanos: 6 } }, { ...both, since: { seconds: 5n, nanos: 6 } }],
    ['an absurd since', { since: { seconds: 5n, nanos: -6 } }, { ...both, since: { seconds: 5n, nanos: 0 } }],
  ])('%s', (_, options, request) => {
    expect(logRequest(create(LogSubscriptionOptionsSchema, options))).toEqual({ kind: 'request', request });
  });

  it('takes no options for all there is', () => {
    expect(logRequest(undefined)).toEqual({ kind: 'request', request: both });
  });

  it.each([
    ['lines from the start', { tail: 5n }, 'from the start'],
    ['no stream we know', { streams: [UNKNOWN, 7] }, 'neither'],
  ])('refuses %s', (_, options, reason) => {
    const result = logRequest(create(LogSubscriptionOptionsSchema, options));
    expect(result).toEqual({ kind: 'refused', reason: expect.stringContaining(reason) });
  });
});

it('asks the engine for details, and for since to the nanosecond', () => {
  expect(engineLogOptions({ ...both, tail: 3, since: { seconds: 12n, nanos: 34 } })).toEqual({
    stdout: true,
    stderr: true,
    follow: false,
    tail: 3,
    details: true,
    since: '12.000000034',
  });
  expect(engineLogOptions(both)).not.toHaveProperty('since');
});

describe('wantsEntry', () => {
  const entry = (stream: LogStream, seconds: bigint, nanos: number): LogEntry => ({
    stream,
    time: { seconds, nanos },
    details: [],
    data: Buffer.from('x\n'),
  });

  it.each([
    ['any, when nothing is excluded', both, entry(STDOUT, -5n, 0), true],
    ['at the moment itself', { ...both, since: { seconds: 9n, nanos: 5 } }, entry(STDOUT, 9n, 5), true],
    ['a nanosecond before', { ...both, since: { seconds: 9n, nanos: 5 } }, entry(STDOUT, 9n, 4), false],
    ['a second later', { ...both, since: { seconds: 9n, nanos: 5 } }, entry(STDERR, 10n, 0), true],
    ['the other stream', { ...both, stdout: false }, entry(STDOUT, 0n, 0), false],
    ['the stream', { ...both, stdout: false }, entry(STDERR, 0n, 0), true],
  ])('%s', (_, request, given, wanted) => {
    expect(wantsEntry(request, given)).toBe(wanted);
  });
});
