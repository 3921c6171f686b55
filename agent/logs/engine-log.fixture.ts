import type { FrameSource } from './frames.ts';
import { engineTime, type LogTime } from './log-time.ts';

/** One entry of a container's log as a log driver keeps it. */
export interface FixtureEntry {
  readonly source: FrameSource;
  readonly time: LogTime;
  readonly details?: Readonly<Record<string, string>>;
  /** With its newline, if it has one. */
  readonly data: Buffer | string;
}

const HEADER_TYPE: Readonly<Record<FrameSource, number>> = { stdin: 0, stdout: 1, stderr: 2, engine: 3 };

/** The time of a log entry the engine writes: RFC 3339 in UTC with all nine digits. */
export function engineStamp(time: LogTime): string {
  const date = new Date(Number(time.seconds) * 1000).toISOString().slice(0, -5);
  return `${date}.${engineTime(time).slice(-9)}Z`;
}

/** An entry with the prefix that the engine's `timestamps` and `details` give it. */
export function engineEntry(entry: FixtureEntry): Buffer {
  const details = Object.entries(entry.details ?? {})
    .map((pair) => pair.map(queryEscape).join('='))
    .join(',');
  return Buffer.concat([Buffer.from(`${engineStamp(entry.time)} ${details} `), Buffer.from(entry.data)]);
}

export function frame(source: FrameSource, payload: Buffer | string): Buffer {
  const bytes = Buffer.from(payload);
  const header = Buffer.alloc(8);
  header.writeUInt8(HEADER_TYPE[source], 0);
  header.writeUInt32BE(bytes.length, 4);
  return Buffer.concat([header, bytes]);
}

export function engineLog(entries: readonly FixtureEntry[], tty = false): Buffer {
  return Buffer.concat(entries.map((entry) => (tty ? engineEntry(entry) : frame(entry.source, engineEntry(entry)))));
}

/** Cuts bytes at the given places (any numbers; those out of range do nothing). */
export function cutAt(bytes: Buffer, places: readonly number[]): readonly Buffer[] {
  const inside = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  const edges = [0, ...inside, bytes.length];
  return edges.slice(1).map((end, i) => bytes.subarray(edges[i], end));
}

/** Go's url.QueryEscape. */
function queryEscape(text: string): string {
  return encodeURIComponent(text)
    .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+');
}
