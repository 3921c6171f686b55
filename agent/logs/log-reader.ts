import { LogStream } from '#proto/gen/swarmkit/logbroker_pb.js';
import { createFrameParser, type FrameResult } from './frames.ts';
import { type LogEntry, parseLogEntry } from './log-entry.ts';
import { createTtySplitter, type TtyResult } from './tty-entries.ts';

export type LogRecord =
  | { readonly kind: 'entry'; readonly entry: LogEntry }
  /** Not of the container: the engine's own word on why something is missing. More may follow. */
  | { readonly kind: 'notice'; readonly text: string }
  /** Nothing after this can be read. */
  | { readonly kind: 'broken'; readonly text: string };

/** Reads the body of `GET /containers/ID/logs` with timestamps and details. Chunks may end anywhere. */
export interface LogReader {
  readonly push: (chunk: Buffer) => readonly LogRecord[];
  /** The body has ended in order. */
  readonly end: () => readonly LogRecord[];
}

/** Longest part of an unreadable entry that is quoted. */
const NOTICE_CHARACTERS = 200;

/** @param tty whether the container has a terminal: its log then has no frames, and all of it is standard output */
export function createLogReader(tty: boolean): LogReader {
  if (tty) {
    const splitter = createTtySplitter();
    return {
      push: (chunk) => splitter.push(chunk).map(ttyRecord),
      end: () => splitter.end().map(ttyRecord),
    };
  }
  const parser = createFrameParser();
  return {
    push: (chunk) => parser.push(chunk).map(frameRecord),
    end: () => parser.end().map(frameRecord),
  };
}

function ttyRecord(result: TtyResult): LogRecord {
  return result.kind === 'broken' ? result : entryRecord(LogStream.STDOUT, result.bytes);
}

function frameRecord(result: FrameResult): LogRecord {
  if (result.kind === 'broken') return result;
  if (result.source === 'engine') return notice(result.payload);
  return entryRecord(result.source === 'stderr' ? LogStream.STDERR : LogStream.STDOUT, result.payload);
}

function entryRecord(stream: LogStream, bytes: Buffer): LogRecord {
  const entry = parseLogEntry(stream, bytes);
  return entry === undefined ? notice(bytes) : { kind: 'entry', entry };
}

function notice(bytes: Buffer): LogRecord {
  return { kind: 'notice', text: bytes.toString('utf8', 0, NOTICE_CHARACTERS).trim() };
}
