import { cut, type Paint, type Screen, wrap } from './text.ts';

export interface Cell {
  readonly text: string;
  readonly paint?: Paint;
}

export interface Column {
  readonly title: string;
  /** Narrower than this it would say nothing; a column without it is never narrowed. */
  readonly min?: number;
  /** Which end says more when there is no room for all; the start if left out. */
  readonly keep?: 'start' | 'end';
}

export interface TableRow {
  readonly cells: readonly (string | Cell)[];
  /** A remark under the row, over the whole width. */
  readonly note?: Cell;
}

const GAP = 2;
const NOTE_INDENT = 4;

/**
 * A table with titles, fitted to the screen: the widest column that may be narrowed gives way first. A column that is empty
 * in all rows is left out.
 */
export function table(
  columns: readonly Column[],
  list: readonly TableRow[],
  { palette, width, cutTables }: Screen,
): string[] {
  const grid = list.map((row) => row.cells.map((cell) => (typeof cell === 'string' ? { text: cell } : cell)));
  const shown = columns.map((_, i) => i).filter((i) => grid.some((cells) => cells[i]?.text));
  const natural = shown.map((i) =>
    Math.max(columns[i]?.title.length ?? 0, ...grid.map((cells) => cells[i]?.text.length ?? 0)),
  );
  const widths = fitWidths(
    natural,
    shown.map((i) => columns[i]?.min),
    cutTables ? width : Number.POSITIVE_INFINITY,
  );
  const line = (cells: readonly Cell[]) => {
    const parts = shown.map((i, at) => {
      const text = cut(cells[i]?.text ?? '', widths[at] ?? 0, columns[i]?.keep);
      const padding = at === shown.length - 1 ? '' : ' '.repeat((widths[at] ?? 0) - text.length + GAP);
      return (cells[i]?.paint?.(text) ?? text) + padding;
    });
    return parts.join('').trimEnd();
  };
  const head = line(columns.map((column) => ({ text: column.title, paint: palette.dim })));
  return [head, ...list.flatMap((row, i) => [line(grid[i] ?? []), ...(row.note ? noteLines(row.note, width) : [])])];
}

function noteLines(note: Cell, width: number): string[] {
  return wrap(note.text, width - NOTE_INDENT).map((line) => ' '.repeat(NOTE_INDENT) + (note.paint?.(line) ?? line));
}

function fitWidths(natural: readonly number[], mins: readonly (number | undefined)[], width: number): number[] {
  const widths = [...natural];
  let excess = widths.reduce((sum, one) => sum + one + GAP, -GAP) - width;
  while (excess > 0) {
    let widest = -1;
    widths.forEach((one, i) => {
      const min = mins[i];
      if (min !== undefined && one > min && (widest < 0 || one > (widths[widest] ?? 0))) widest = i;
    });
    if (widest < 0) break; // nothing left to give: the line is longer than the screen
    widths[widest] = (widths[widest] ?? 0) - 1;
    excess--;
  }
  return widths;
}
