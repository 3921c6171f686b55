import type { Problem, Severity } from '#agent/api/view.ts';
import { durationSince } from './duration.ts';
import { type Palette, type Screen, wrap } from './text.ts';

const PAINT: Readonly<Record<Severity, keyof Palette>> = { error: 'red', warning: 'yellow', info: 'bold' };
const INDENT = 9; // "warning" and two spaces

/**
 * What is wrong, and after an arrow what to do. At most `maxLines` lines, but always the first problem; what has no room is
 * counted in the last line.
 */
export function problemLines(problems: readonly Problem[], at: string, screen: Screen, maxLines: number): string[] {
  const lines: string[] = [];
  for (const [i, problem] of problems.entries()) {
    const block = one(problem, at, screen);
    const isLast = i === problems.length - 1;
    if (i > 0 && lines.length + block.length + (isLast ? 0 : 1) > maxLines) {
      lines.push(screen.palette.dim(`and ${problems.length - i} more: netd status --all`));
      break;
    }
    lines.push(...block);
  }
  return lines;
}

function one(problem: Problem, at: string, { palette, width }: Screen): string[] {
  const paint = palette[PAINT[problem.severity]];
  const lasting = problem.since === null ? '' : ` (for ${durationSince(problem.since, at)})`;
  const what = wrap(problem.what + lasting, width - INDENT);
  const mend = wrap(problem.mend, width - INDENT - 2);
  const pad = ' '.repeat(INDENT);
  return [
    ...what.map(
      (line, i) => (i === 0 ? paint(problem.severity) + ' '.repeat(INDENT - problem.severity.length) : pad) + line,
    ),
    ...mend.map((line, i) => `${pad}${i === 0 ? '→ ' : '  '}${line}`),
  ];
}
