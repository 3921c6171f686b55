const WIDTH = 800;
const HEIGHT = 400;
const MARGIN = 50;

export interface Curve {
  readonly label: string;
  readonly colour: string;
  /** Ascending; infinite values never happened. */
  readonly values: Float64Array;
}

/** An SVG of how large a share had happened by which time: one step curve for each series. */
export function sharePlot(title: string, curves: readonly Curve[]): string {
  const finite = curves.flatMap((curve) => [...curve.values.filter(Number.isFinite).slice(-1)]);
  const maxMs = Math.max(200, ...finite);
  const x = (ms: number) => MARGIN + (ms / maxMs) * (WIDTH - 2 * MARGIN);
  const y = (share: number) => HEIGHT - MARGIN - share * (HEIGHT - 2 * MARGIN);
  const grid = [0, 0.25, 0.5, 0.75, 0.99]
    .map(
      (share) =>
        `<path class="grid" d="M${x(0)} ${y(share)}H${x(maxMs)}"/><text x="8" y="${y(share) + 4}">${share * 100} %</text>`,
    )
    .join('\n');
  const tickMs = 10 ** Math.floor(Math.log10(maxMs / 2));
  const ticks = Array.from({ length: Math.floor(maxMs / tickMs) + 1 }, (_, i) => i * tickMs)
    .filter((_, i, all) => all.length <= 12 || i % Math.ceil(all.length / 12) === 0)
    .map((ms) => `<text x="${x(ms) - 12}" y="${HEIGHT - MARGIN + 18}">${(ms / 1000).toFixed(1)} s</text>`)
    .join('\n');
  const lines = curves
    .map(({ label, colour, values }, i) => {
      const legend = `<text x="${WIDTH - 230}" y="${HEIGHT - MARGIN - 14 - 16 * i}" fill="${colour}">${label}</text>`;
      return `<path d="${path(values, x, y)}" fill="none" stroke="${colour}" stroke-width="2"/>\n${legend}`;
    })
    .join('\n');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">
<style>.grid { stroke: #ccc; }</style>
<rect width="100%" height="100%" fill="white"/>
<text x="${MARGIN}" y="24" font-size="15">${title}</text>
${grid}
${ticks}
${lines}
</svg>
`;
}

/** At most a few hundred points, whatever the number of values. */
function path(values: Float64Array, x: (ms: number) => number, y: (share: number) => number): string {
  const step = Math.max(1, Math.floor(values.length / 400));
  const points = [`M${x(0)} ${y(0)}`];
  for (let i = 0; i < values.length; i += step) {
    const value = values[i];
    if (value === undefined || !Number.isFinite(value)) break;
    points.push(`L${x(value).toFixed(1)} ${y((i + 1) / values.length).toFixed(1)}`);
  }
  return points.join('');
}
