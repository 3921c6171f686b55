/** A moment with the full precision of a log entry: seconds since the epoch (may be negative) and 0 to 999,999,999 ns. */
export interface LogTime {
  readonly seconds: bigint;
  readonly nanos: number;
}

const NANO_DIGITS = 9;
const MOST_NANOS = 999_999_999;

/** RFC 3339 with up to nine digits of a second, which is more than Date keeps. */
const RFC3339 = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/;

/** Parses an RFC 3339 date; undefined if it is none. The engine writes nine digits, and `Z` or an offset by log driver. */
export function parseLogTime(text: string): LogTime | undefined {
  const [, toTheSecond, fraction = '', zone] = RFC3339.exec(text) ?? [];
  if (toTheSecond === undefined || zone === undefined) return undefined;
  const ms = Date.parse(toTheSecond + zone);
  if (Number.isNaN(ms)) return undefined;
  return { seconds: BigInt(ms / 1000), nanos: Number(fraction.padEnd(NANO_DIGITS, '0')) };
}

/** `seconds.nanoseconds`, as the engine's `since` takes it without loss. */
export function engineTime(time: LogTime): string {
  return `${time.seconds}.${time.nanos.toString().padStart(NANO_DIGITS, '0')}`;
}

/** Negative if `a` is earlier than `b`. */
export function compareLogTime(a: LogTime, b: LogTime): number {
  if (a.seconds !== b.seconds) return a.seconds < b.seconds ? -1 : 1;
  return a.nanos - b.nanos;
}

/** A time as a manager sent it, with nanoseconds forced into their range. */
export function saneLogTime(time: LogTime): LogTime {
  return { seconds: time.seconds, nanos: Math.min(MOST_NANOS, Math.max(0, time.nanos)) };
}
