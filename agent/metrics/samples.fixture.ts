import type { MetricFamily } from './metric-family.ts';

/** The samples one a line, `name{label="value",…} number`: the same text as the exposition has, in the order of the families. */
export function linesOf(families: readonly MetricFamily[]): string[] {
  return families.flatMap(({ name, samples }) => samples.map(({ labels, value }) => line(name, labels, value)));
}

function line(name: string, labels: Readonly<Record<string, string>>, value: number): string {
  const inside = Object.entries(labels).map(([key, text]) => `${key}=${JSON.stringify(text)}`);
  return `${name}${inside.length > 0 ? `{${inside.join(',')}}` : ''} ${value}`;
}

/** What a scraper reads out of the text format: a reader of its own, written from the format's description. */
export function parseExposition(text: string): MetricFamily[] {
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  const families = new Map<string, MetricFamily & { samples: { labels: Record<string, string>; value: number }[] }>();
  let help: readonly [name: string, text: string] = ['', ''];
  for (const row of text.split('\n').filter((one) => one !== '')) {
    const comment = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$/.exec(row);
    if (comment) {
      const [, kind, name = '', rest = ''] = comment;
      if (families.has(name)) throw new Error(`${name} is described twice`);
      if (kind === 'HELP') help = [name, rest];
      else {
        if (rest !== 'gauge' && rest !== 'counter') throw new Error(`${name} is a ${rest}`);
        families.set(name, { name, type: rest, help: help[0] === name ? help[1] : '', samples: [] });
      }
      continue;
    }
    const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/.exec(row);
    const family = families.get(sample?.[1] ?? '');
    if (!sample || !family) throw new Error(`not a line of the format, or out of its place: ${row}`);
    const value = Number(sample[3]);
    if (Number.isNaN(value)) throw new Error(`not a number: ${row}`);
    family.samples.push({ labels: parseLabels(sample[2] ?? ''), value });
  }
  return [...families.values()];
}

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  let rest = text;
  while (rest !== '') {
    const label = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)/.exec(rest);
    if (!label) throw new Error(`not labels: ${text}`);
    labels[label[1] ?? ''] = (label[2] ?? '').replace(/\\(.)/g, (_, char) => (char === 'n' ? '\n' : char));
    rest = rest.slice(label[0].length);
  }
  return labels;
}
