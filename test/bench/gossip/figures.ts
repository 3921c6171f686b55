import { fork } from 'node:child_process';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { type Figure, figureLine } from '../figures.ts';
import { PARTS, type Part } from './parts.ts';
import type { PartReport } from './run-part.ts';

/**
 * The gossip's promises, each with its bound. Every part is a process of its own with a limit: one that fails or does not
 * end is a figure that says so, and the others are measured all the same.
 */
export async function gossipFigures(
  progress: (text: string) => void,
  wanted: readonly string[] = [...PARTS.keys()],
): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  for (const [name, part] of PARTS) {
    if (!wanted.includes(name)) continue;
    const measured = await measure(name, part, (text) => progress(`gossip: ${part.about}: ${text}`));
    for (const figure of measured) progress(figureLine(figure).trimEnd());
    figures.push(...measured);
  }
  return figures;
}

async function measure(name: string, part: Part, progress: (text: string) => void): Promise<readonly Figure[]> {
  const startedMs = performance.now();
  const passedSec = () => Math.round((performance.now() - startedMs) / 1000);
  progress(`at most ${part.limitSec} s`);
  const child = fork(join(import.meta.dirname, 'run-part.ts'), [name], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  const { promise, resolve } = Promise.withResolvers<readonly Figure[]>();
  const failed = (reason: string) =>
    resolve([{ name: part.about, value: Number.NaN, unit: '', bound: 0, detail: `not measured: ${reason}` }]);
  const limit = setTimeout(
    () => failed(`not done within ${part.limitSec} s, load average ${loadavg()[0]?.toFixed(1)}`),
    part.limitSec * 1000,
  );
  let errors = '';
  child.stderr?.on('data', (text) => {
    errors += text;
  });
  child.on('message', (report: PartReport) => {
    if (report.kind === 'figures') resolve(report.figures);
    else progress(`${report.text}, ${passedSec()} s`);
  });
  child.on('close', (code) => failed(/^\w*Error.*$/m.exec(errors)?.[0] ?? `ended with status ${code}`));
  try {
    return await promise;
  } finally {
    clearTimeout(limit);
    child.kill();
  }
}

// By hand: `node test/bench/gossip/figures.ts scale` measures one part alone.
if (import.meta.main) {
  const wanted = process.argv.slice(2);
  const figures = await gossipFigures((text) => console.error(text), wanted.length > 0 ? wanted : undefined);
  for (const figure of figures) console.log(figureLine(figure));
}
