import { entryPrefix, hasTimeAt, LONGEST_ENTRY } from './log-entry.ts';

export type TtyResult =
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  /** An entry that does not end; nothing after this can be read. */
  | { readonly kind: 'broken'; readonly text: string };

/** Cuts the log of a container with a terminal, which has no frames, into entries. Chunks may end anywhere. */
export interface TtySplitter {
  readonly push: (chunk: Buffer) => readonly TtyResult[];
  /** The stream has ended: the rest is an entry too. */
  readonly end: () => readonly TtyResult[];
}

/** The engine cuts a longer line into pieces of this many bytes, each an entry of its own and without a newline. */
const PIECE_BYTES = 16 * 1024;
const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

export function createTtySplitter(): TtySplitter {
  let rest: Buffer = Buffer.alloc(0);
  /** No newline in this many bytes of `rest`. */
  let searched = 0;
  /** Prefix of the entry before, when that was a piece: the one that begins with the same goes on with its line. */
  let piece: Buffer | undefined;
  let offset = 0;
  let broken = false;

  const cut = (end: number): TtyResult => {
    const bytes = rest.subarray(0, end);
    rest = rest.subarray(end);
    searched = 0;
    offset += end;
    return { kind: 'bytes', bytes };
  };

  const next = (): TtyResult | undefined => {
    const newline = rest.indexOf(NEWLINE, searched);
    const line = newline === -1 ? rest : rest.subarray(0, newline);
    const prefix = prefixOf(line);
    if (prefix !== undefined) {
      // The nearer of the two, so that bytes still to come make no difference.
      const border = Math.min(pieceEnd(line, prefix.length), lineRestEnd(line, prefix, piece));
      if (border < line.length) {
        piece = prefix;
        return cut(border);
      }
    }
    if (newline !== -1) {
      piece = undefined;
      return cut(newline + 1);
    }
    searched = rest.length;
    if (rest.length <= LONGEST_ENTRY) return undefined;
    broken = true;
    rest = Buffer.alloc(0);
    return { kind: 'broken', text: `a line of more than ${LONGEST_ENTRY} bytes at byte ${offset} of the log stream` };
  };

  return {
    push: (chunk) => {
      if (broken) return [];
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const results: TtyResult[] = [];
      for (let result = next(); result !== undefined; result = next()) results.push(result);
      return results;
    },
    end: () => (rest.length === 0 ? [] : [cut(rest.length)]),
  };
}

/** Time, details and their spaces. */
function prefixOf(line: Buffer): Buffer | undefined {
  const prefix = entryPrefix(line);
  return prefix === undefined ? undefined : line.subarray(0, prefix.dataStart);
}

const NOWHERE = Number.POSITIVE_INFINITY;

/**
 * Where the first entry ends when it is a piece of a longer line: where the prefix of the next one begins. That is after
 * 16 KiB of data, or later where the log driver wrote U+FFFD for bytes that are no UTF-8; but then with the very same
 * time, because all pieces of a line carry the time of the first.
 */
function pieceEnd(line: Buffer, dataStart: number): number {
  const least = dataStart + PIECE_BYTES;
  if (line.length < least) return NOWHERE;
  if (hasTimeAt(line, least)) return least;
  const border = line.indexOf(line.subarray(0, dataStart), least);
  return border === -1 ? NOWHERE : border;
}

/**
 * Where the last piece of a line ends when the engine has lost its newline, as the log driver `local` of 20.10 does: the
 * terminal's carriage return is still there, unless nothing at all is left.
 */
function lineRestEnd(line: Buffer, prefix: Buffer, piece: Buffer | undefined): number {
  if (piece === undefined || !prefix.equals(piece)) return NOWHERE;
  if (hasTimeAt(line, prefix.length)) return prefix.length;
  for (let at = line.indexOf(CARRIAGE_RETURN, prefix.length); at !== -1; at = line.indexOf(CARRIAGE_RETURN, at + 1)) {
    if (hasTimeAt(line, at + 1)) return at + 1;
  }
  return NOWHERE;
}
