import { LONGEST_ENTRY } from './log-entry.ts';

/** Where a frame was written to: the engine's API, "Stream format" of attach. `engine` carries the engine's own errors. */
export type FrameSource = 'stdin' | 'stdout' | 'stderr' | 'engine';

export type FrameResult =
  | { readonly kind: 'frame'; readonly source: FrameSource; readonly payload: Buffer }
  /** The bytes are no frames from here on; nothing after this can be read. */
  | { readonly kind: 'broken'; readonly text: string };

/** Cuts the engine's multiplexed stream into frames. The same bytes give the same results however they arrive. */
export interface FrameParser {
  readonly push: (chunk: Buffer) => readonly FrameResult[];
  /** The stream has ended. */
  readonly end: () => readonly FrameResult[];
}

const SOURCES: readonly FrameSource[] = ['stdin', 'stdout', 'stderr', 'engine'];
/** One byte of source, three of zero, four of payload length (big-endian). */
const HEADER_BYTES = 8;
const LENGTH_OFFSET = 4;

export function createFrameParser(): FrameParser {
  let rest: Buffer = Buffer.alloc(0);
  /** Bytes from the beginning of the stream to `rest`. */
  let offset = 0;
  let broken = false;

  const breakOff = (text: string): FrameResult => {
    broken = true;
    rest = Buffer.alloc(0);
    return { kind: 'broken', text: `${text} at byte ${offset} of the log stream` };
  };

  const next = (): FrameResult | undefined => {
    if (rest.length < HEADER_BYTES) return undefined;
    const source = SOURCES[rest.readUInt8(0)];
    if (source === undefined || rest.readUIntBE(1, 3) !== 0) {
      return breakOff(`no frame header (${rest.toString('hex', 0, HEADER_BYTES)})`);
    }
    const length = rest.readUInt32BE(LENGTH_OFFSET);
    if (length > LONGEST_ENTRY) return breakOff(`a frame of ${length} bytes, more than ${LONGEST_ENTRY},`);
    const end = HEADER_BYTES + length;
    if (rest.length < end) return undefined;
    const payload = rest.subarray(HEADER_BYTES, end);
    rest = rest.subarray(end);
    offset += end;
    return { kind: 'frame', source, payload };
  };

  return {
    push: (chunk) => {
      if (broken) return [];
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const results: FrameResult[] = [];
      for (let result = next(); result !== undefined; result = next()) results.push(result);
      return results;
    },
    end: () => (broken || rest.length === 0 ? [] : [breakOff(`the end inside a frame (${rest.length} bytes of it)`)]),
  };
}
