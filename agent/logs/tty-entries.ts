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

export function createTtySplitter(): TtySplitter {
  let rest: Buffer = Buffer.alloc(0);
  /** No newline in this many bytes of `rest`. */
  let searched = 0;
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
    const border = pieceEnd(line);
    if (border !== undefined) return cut(border);
    if (newline !== -1) return cut(newline + 1);
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

/**
 * Where the first entry ends when it is a piece of a longer line: where the prefix of the next one begins. That is after
 * 16 KiB of data, or later where the log driver wrote U+FFFD for bytes that are no UTF-8; but then with the very same
 * time, because all pieces of a line carry the time of the first.
 */
function pieceEnd(line: Buffer): number | undefined {
  if (line.length < PIECE_BYTES) return undefined;
  const prefix = entryPrefix(line);
  if (prefix === undefined) return undefined;
  const least = prefix.dataStart + PIECE_BYTES;
  if (hasTimeAt(line, least)) return least;
  const border = line.indexOf(line.subarray(0, prefix.dataStart), least);
  return border === -1 ? undefined : border;
}
