import { CONFORMANCE_ITEMS } from './items.ts';

/** One test of the conformance suites, as vitest's JSON report has it. */
export interface TestResult {
  /** Of the `describe`s around it, outermost first: one of them ends with `manager VERSION`. */
  readonly ancestorTitles: readonly string[];
  /** `§8.7 restart worker … – particular` */
  readonly title: string;
  /** `passed`, `failed`, `skipped`, `pending`, `todo`, … */
  readonly status: string;
}

/** `yes`: every test passed; `in part`: some are left for later; `pending`: all are; `no`: one failed; `–`: there is none. */
export type Verdict = 'yes' | 'in part' | 'pending' | 'no' | '–';

const START = '<!-- conformance table: made by "npm test -- --write-table" -->';
const END = '<!-- end of the conformance table -->';

/** The Markdown table of what works: one row an item, one column a version of the managers, oldest first. */
export function conformanceTable(results: readonly TestResult[], versions: readonly string[]): string {
  const rows = Object.entries(CONFORMANCE_ITEMS).map(([number, text]) => {
    const verdicts = versions.map((version) => verdictOf(results.filter((result) => isOf(result, number, version))));
    return `| ${number} | ${text} | ${verdicts.join(' | ')} |`;
  });
  return [
    START,
    '',
    `| | | ${versions.join(' | ')} |`,
    `|---|---|${versions.map(() => '---|').join('')}`,
    ...rows,
    '',
    END,
  ].join('\n');
}

/** The text with its table replaced. @throws Error when it has none */
export function withTable(text: string, table: string): string {
  const start = text.indexOf(START);
  const end = text.indexOf(END);
  if (start < 0 || end < start) throw new Error('the text has no conformance table to replace');
  return text.slice(0, start) + table + text.slice(end + END.length);
}

/** Rows in which two texts' tables differ, as `item: here, there`. Column heads do not count: Debian's versions move on. */
export function tableDifferences(text: string, table: string): readonly string[] {
  const [here, there] = [rowsOf(text), rowsOf(table)];
  const items = new Set([...here.keys(), ...there.keys()]);
  return [...items]
    .filter((item) => here.get(item) !== there.get(item))
    .map((item) => `${item}: ${here.get(item) ?? 'no row'} ≠ ${there.get(item) ?? 'no row'}`);
}

function rowsOf(text: string): ReadonlyMap<string, string> {
  const table = text.slice(text.indexOf(START), text.indexOf(END));
  const rows = [...table.matchAll(/^\| (\d+) \| (.*) \|$/gm)];
  return new Map(rows.map((row) => [row[1] ?? '', row[2] ?? '']));
}

function isOf(result: TestResult, item: string, version: string): boolean {
  if (!new RegExp(`^§8\\.${item}(?!\\d)`).test(result.title)) return false;
  return result.ancestorTitles.some((title) => title.endsWith(`manager ${version}`));
}

function verdictOf(results: readonly TestResult[]): Verdict {
  if (results.length === 0) return '–';
  if (results.some(({ status }) => status === 'failed')) return 'no';
  const passed = results.filter(({ status }) => status === 'passed').length;
  if (passed === 0) return 'pending';
  return passed === results.length ? 'yes' : 'in part';
}
