/** How a stretch of text is coloured; identity where colour is not wanted. */
export type Paint = (text: string) => string;

export interface Palette {
  readonly bold: Paint;
  readonly dim: Paint;
  readonly red: Paint;
  readonly green: Paint;
  readonly yellow: Paint;
}

const sgr =
  (on: number, off: number): Paint =>
  (text) =>
    text === '' ? '' : `\u001b[${on}m${text}\u001b[${off}m`;

/** The eight basic attributes of ECMA-48 only: they follow the colours the user has chosen for the terminal. */
export const COLOURS: Palette = {
  bold: sgr(1, 22),
  dim: sgr(2, 22),
  red: sgr(31, 39),
  green: sgr(32, 39),
  yellow: sgr(33, 39),
};

const same: Paint = (text) => text;
export const NO_COLOURS: Palette = { bold: same, dim: same, red: same, green: same, yellow: same };

/** What a screen is drawn for. */
export interface Screen {
  readonly palette: Palette;
  /** Columns at which text is wrapped. */
  readonly width: number;
  /** Whether tables are cut to the width as well; not in a pipe, where a program may look for what was cut. */
  readonly cutTables: boolean;
}

/** Narrower than this nothing can be read; a terminal of that size gets longer lines. */
const MIN_WIDTH = 20;

/**
 * Splits text into lines of at most `width` characters, at spaces where there are any. What stands in double quotes is kept
 * on one line if it fits one: those are commands to be copied.
 */
export function wrap(text: string, width: number): string[] {
  const limit = Math.max(MIN_WIDTH, width);
  const lines: string[] = [];
  let line = '';
  for (const word of words(text, limit)) {
    if (line !== '' && line.length + 1 + word.length > limit) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
    while (line.length > limit) {
      lines.push(line.slice(0, limit));
      line = line.slice(limit);
    }
  }
  if (line !== '' || lines.length === 0) lines.push(line);
  return lines;
}

function words(text: string, limit: number): string[] {
  const quotedTogether = text.match(/(?:"[^"]*"|\S)+/g) ?? [];
  return quotedTogether.flatMap((word) => (word.length > limit ? word.split(/\s+/) : [word]));
}

/** The text cut to `width` characters, with an ellipsis where something is missing: at the end, or at the start. */
export function cut(text: string, width: number, keep: 'start' | 'end' = 'start'): string {
  if (text.length <= width) return text;
  if (width < 1) return '';
  return keep === 'start' ? `${text.slice(0, width - 1)}…` : `…${text.slice(text.length - width + 1)}`;
}

export interface Row {
  readonly label: string;
  readonly text: string;
  readonly paint?: Paint;
}

/** Lines of `label  text`, the texts aligned and wrapped under each other. */
export function rows(list: readonly Row[], { palette, width }: Pick<Screen, 'palette' | 'width'>): string[] {
  const indent = Math.max(0, ...list.map((row) => row.label.length)) + 2;
  return list.flatMap(({ label, text, paint = same }) =>
    wrap(text, width - indent).map((line, i) => {
      const head = i === 0 ? palette.dim(label) + ' '.repeat(indent - label.length) : ' '.repeat(indent);
      return head + paint(line);
    }),
  );
}

/**
 * A copy in which no text can move the cursor, ring the bell or turn the line around: error messages come from managers,
 * engines and images, and end up on the terminal of root.
 */
export function printable<T>(value: T): T {
  return scrub(value) as T;
}

/** Control sequences of ECMA-48 whole, single control characters, and those that turn the writing direction. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must go
const UNSAFE = /(?:\u001b\[[ -?]*[@-~]|[\p{Cc}\p{Bidi_Control}])+/gu;

function scrub(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(UNSAFE, ' ').trim();
  if (Array.isArray(value)) return value.map(scrub);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key.replace(UNSAFE, ' '), scrub(inner)]));
}
