import type { PathDocument } from '#agent/api/documents.ts';
import { type Palette, type Row, rows, type Screen, wrap } from './text.ts';

type Hop = PathDocument['walks'][number]['hops'][number];

/** A sign that also stands out without colour. */
const SIGNS: Readonly<Record<Hop['verdict'], readonly [sign: string, paint: keyof Palette]>> = {
  ok: ['ok', 'green'],
  note: ['--', 'yellow'],
  wrong: ['!!', 'red'],
};

const SIGN_WIDTH = 4;
const STEP_WIDTH = 18;

/**
 * `netd inspect path`: every hop with what was found there, and the first thing that is wrong. What several addresses have in
 * common is told with the first.
 */
export function pathScreen({ from, to, name, walks, notWalked, fault }: PathDocument, screen: Screen): string {
  const places = from.places.map(({ network, address }) => `${address} on ${network}`).join(', ');
  const head: Row[] = [
    { label: 'From', text: `${from.name}${places === '' ? '' : ` (${places})`}` },
    { label: 'To', text: to },
  ];
  const blocks = [rows(head, screen)];
  if (name !== null) blocks.push(hopLines(name, screen));
  const shown = new Set<string>();
  for (const { address, names, network, hops } of walks) {
    const called = names.length === 0 ? '' : `: ${names.join(', ')}`;
    const title = screen.palette.bold(`${address}${network === null ? '' : ` on network ${network}`}${called}`);
    const fresh = hops.filter(({ step, found, verdict }) => verdict !== 'ok' || !shown.has(`${step} ${found}`));
    for (const { step, found } of hops) shown.add(`${step} ${found}`);
    const lines = fresh.length > 0 ? fresh.flatMap((hop) => hopLines(hop, screen)) : ['as above'];
    blocks.push([title, ...lines]);
  }
  if (notWalked.length > 0) blocks.push([`Not walked: ${notWalked.join(', ')}; ask for one of them.`]);
  blocks.push(verdictLines(fault, screen));
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function hopLines({ step, verdict, found }: Hop, { palette, width }: Screen): string[] {
  const [sign, paint] = SIGNS[verdict];
  const lines = wrap(found, width - SIGN_WIDTH - STEP_WIDTH);
  const label = step.replaceAll('-', ' ').padEnd(STEP_WIDTH);
  const pad = ' '.repeat(SIGN_WIDTH + STEP_WIDTH);
  return lines.map((line, i) => {
    const text = verdict === 'ok' ? line : palette[paint](line);
    return i === 0
      ? palette[paint](sign) + ' '.repeat(SIGN_WIDTH - sign.length) + palette.dim(label) + text
      : pad + text;
  });
}

function verdictLines(fault: PathDocument['fault'], { palette, width }: Screen): string[] {
  if (fault === null) return [palette.green('Nothing is wrong on the way, as far as it can be seen from this host.')];
  const { hop, address } = fault;
  const what = `${hop.found}${address === null ? '' : ` (on the way to ${address})`}`;
  const title = wrap(`First thing wrong: ${what}`, width).map((line) => palette.red(line));
  return [...title, ...wrap(hop.mend ?? '', width - 2).map((line, i) => `${i === 0 ? '→ ' : '  '}${line}`)];
}
