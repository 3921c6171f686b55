import type { LogStream } from '#proto/gen/swarmkit/logbroker_pb.js';
import { type LogTime, parseLogTime } from './log-time.ts';

/** What a log driver keeps beside a line: labels and environment of the container, chosen by log options. */
export interface LogDetail {
  readonly key: string;
  readonly value: string;
}

/** One line of a container, or a piece of one longer than the engine takes at once (then without its newline). */
export interface LogEntry {
  readonly stream: LogStream;
  readonly time: LogTime;
  readonly details: readonly LogDetail[];
  readonly data: Uint8Array;
}

/**
 * The longest entry taken, in bytes, prefix included. Log drivers cut lines at 16 KiB, a few at 1 MB; an entry of this
 * size still fits a PublishLogs message, of which managers take 4 MiB (spec swarmkit-worker §0.2).
 */
export const LONGEST_ENTRY = 2 * 1024 * 1024;

/** `2006-01-02T15:04:05.000000000+07:00` */
const LONGEST_TIME = 35;
const SPACE = 0x20;

/**
 * An entry as the engine writes it when asked for timestamps and details: the time, a space, the details, a space, the
 * line. Undefined when the bytes do not begin so, as the engine's own messages do not.
 */
export function parseLogEntry(stream: LogStream, bytes: Buffer): LogEntry | undefined {
  const prefix = entryPrefix(bytes);
  if (prefix === undefined) return undefined;
  const time = parseLogTime(bytes.toString('latin1', 0, prefix.timeEnd));
  if (time === undefined) return undefined;
  const details = parseDetails(bytes.toString('latin1', prefix.timeEnd + 1, prefix.dataStart - 1));
  return { stream, time, details, data: bytes.subarray(prefix.dataStart) };
}

/** Where the parts of an entry lie; undefined as long as both spaces are not there. */
export function entryPrefix(bytes: Buffer): { readonly timeEnd: number; readonly dataStart: number } | undefined {
  const timeEnd = bytes.subarray(0, LONGEST_TIME + 1).indexOf(SPACE);
  if (timeEnd === -1) return undefined;
  const detailsEnd = bytes.indexOf(SPACE, timeEnd + 1);
  return detailsEnd === -1 ? undefined : { timeEnd, dataStart: detailsEnd + 1 };
}

/** True if a time and a space begin at that offset. */
export function hasTimeAt(bytes: Buffer, offset: number): boolean {
  const end = bytes.subarray(offset, offset + LONGEST_TIME + 1).indexOf(SPACE);
  return end !== -1 && parseLogTime(bytes.toString('latin1', offset, offset + end)) !== undefined;
}

/** `key=value,key=value`, each escaped like a query component (Go's url.QueryEscape); empty when there are none. */
export function parseDetails(text: string): readonly LogDetail[] {
  if (text === '') return [];
  return text.split(',').map((pair) => {
    const equals = pair.indexOf('=');
    if (equals === -1) return { key: unescapeQuery(pair), value: '' };
    return { key: unescapeQuery(pair.slice(0, equals)), value: unescapeQuery(pair.slice(equals + 1)) };
  });
}

/** Undoes url.QueryEscape. Values need not be UTF-8, and protobuf strings must be: what is not becomes U+FFFD. */
function unescapeQuery(text: string): string {
  if (!text.includes('%') && !text.includes('+')) return text;
  const bytes = text
    .replaceAll('+', ' ')
    .replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
