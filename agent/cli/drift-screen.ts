import type { DriftDocument } from '#agent/api/documents.ts';
import type { DriftFact } from '#agent/api/network-facts.ts';
import { durationSince } from './duration.ts';
import { moreLine } from './more-line.ts';
import { type TableRow, table } from './table.ts';
import { type Row, rows, type Screen } from './text.ts';

/** More differences than this do not fit a screen. */
const MOST_SHOWN = 15;

const COLUMNS = [{ title: 'NETWORK' }, { title: 'WHAT', min: 20 }, { title: 'FOUND' }, { title: '' }] as const;

/** `netd inspect drift`: what the kernel has that it should not, or lacks that it should have, and how that was mended. */
export function driftScreen(document: DriftDocument, screen: Screen, all: boolean): string {
  const { open, mended, recurring, total, at } = document;
  if (total === 0 && open.length === 0) return 'No drift: the kernel has always had what it should have.\n';
  const blocks = [rows(headRows(document, screen), screen)];
  if (open.length > 0) blocks.push(listLines(open, 'open', at, screen, all));
  if (mended.length > 0) blocks.push(listLines(mended.toReversed(), 'mended', at, screen, all));
  if (recurring.length > 0) {
    const list = recurring.map(({ network, what, times, since }) => ({
      label: 'Recurs',
      text: `${network}: ${what}, ${times} times since ${durationSince(since, at)} ago`,
      paint: screen.palette.yellow,
    }));
    blocks.splice(1, 0, rows(list, screen));
  }
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function headRows({ open, total, counts }: DriftDocument, { palette }: Screen): Row[] {
  const kinds = Object.entries(counts).filter(([, times]) => times > 0);
  const now = open.length === 0 ? 'nothing differs' : `${open.length} not mended`;
  return [
    { label: 'Now', text: now, ...(open.length > 0 ? { paint: palette.red } : {}) },
    {
      label: 'Found',
      text: `${total} since netd began: ${kinds.map(([unit, times]) => `${unit} ${times}`).join(', ')}`,
    },
  ];
}

function listLines(list: readonly DriftFact[], word: string, at: string, screen: Screen, all: boolean): string[] {
  const { palette } = screen;
  const shown = all ? list : list.slice(0, MOST_SHOWN);
  const lines = shown.map(({ network, what, since, how, error }): TableRow => {
    const state = { text: word, paint: error === null ? palette.green : palette.red };
    const note =
      error === null ? { text: `by ${how}`, paint: palette.dim } : { text: `${how}: ${error}`, paint: palette.red };
    return { cells: [network, what, `${durationSince(since, at)} ago`, state], note };
  });
  return [...table(COLUMNS, lines, screen), ...moreLine(list.length - shown.length, word, 'drift', screen)];
}
