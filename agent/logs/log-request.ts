import type { ContainerLogOptions } from '#agent/engine/engine.ts';
import { LogStream, type LogSubscriptionOptions } from '#proto/gen/swarmkit/logbroker_pb.js';
import type { LogEntry } from './log-entry.ts';
import { compareLogTime, engineTime, type LogTime, saneLogTime } from './log-time.ts';

/** What of each log a subscription wants. */
export interface LogRequest {
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly follow: boolean;
  /** Number of lines from the end, or all. */
  readonly tail: number | 'all';
  /** Entries at or after this time. */
  readonly since: LogTime | undefined;
}

export type RequestResult =
  | { readonly kind: 'request'; readonly request: LogRequest }
  | { readonly kind: 'refused'; readonly reason: string };

/** Understands the options of a subscription (spec swarmkit-worker §6). */
export function logRequest(options: LogSubscriptionOptions | undefined): RequestResult {
  const streams = options?.streams ?? [];
  const wants = (stream: LogStream) => streams.length === 0 || streams.includes(stream);
  const stdout = wants(LogStream.STDOUT);
  const stderr = wants(LogStream.STDERR);
  if (!stdout && !stderr) return { kind: 'refused', reason: 'neither standard output nor standard error is wanted' };
  const tail = tailLines(options?.tail ?? 0n);
  if (tail === undefined) {
    return { kind: 'refused', reason: 'counting lines from the start of a log is not supported' };
  }
  const since = options?.since === undefined ? undefined : saneLogTime(options.since);
  return { kind: 'request', request: { stdout, stderr, follow: options?.follow ?? false, tail, since } };
}

/** The protocol's tail: 0 is all, -1 none, -2 the last line, -11 the last ten; undefined for what nobody supports. */
export function tailLines(tail: bigint): number | 'all' | undefined {
  if (tail === 0n) return 'all';
  if (tail > 0n) return undefined;
  const lines = -tail - 1n;
  return lines > BigInt(Number.MAX_SAFE_INTEGER) ? 'all' : Number(lines);
}

/** The same wish in the engine's words. */
export function engineLogOptions(request: LogRequest): ContainerLogOptions {
  const { stdout, stderr, follow, tail, since } = request;
  return { stdout, stderr, follow, tail, details: true, ...(since ? { since: engineTime(since) } : {}) };
}

/** Whether an entry is wanted: not every log driver keeps to the nanosecond or to the streams. */
export function wantsEntry(request: LogRequest, entry: LogEntry): boolean {
  if (entry.stream === LogStream.STDERR ? !request.stderr : !request.stdout) return false;
  return request.since === undefined || compareLogTime(entry.time, request.since) >= 0;
}
