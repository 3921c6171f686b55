import { expect, it } from 'vitest';
import { conformanceTable, type TestResult, tableDifferences, withTable } from '#test/conformance/table.ts';

const result = (title: string, version: string, status: string): TestResult => ({
  ancestorTitles: ['tasks', `tasks, manager ${version}`],
  title,
  status,
});

const results = [
  result('§8.1 join', '1.0', 'passed'),
  result('§8.1 join', '2.0', 'failed'),
  result('§8.2 digest', '1.0', 'passed'),
  result('§8.2 digest – other', '1.0', 'todo'),
  result('§8.24 health', '1.0', 'todo'),
  result('unrelated', '1.0', 'failed'),
];

it('says of each item and version what its tests say', () => {
  const table = conformanceTable(results, ['1.0', '2.0']);
  const cells = (item: number) =>
    table
      .split('\n')
      .find((line) => line.startsWith(`| ${item} |`))
      ?.split(' | ')
      .slice(-2)
      .map((cell) => cell.replace(' |', ''));
  expect([cells(1), cells(2), cells(4), cells(24)]).toEqual([
    ['yes', 'no'],
    ['in part', '–'],
    ['–', '–'],
    ['pending', '–'],
  ]);
});

it('replaces a table, and names the rows that differ', () => {
  const before = `# Title\n\n${conformanceTable([], ['1.0', '2.0'])}\n\nThe end.\n`;
  const table = conformanceTable(results, ['1.0', '2.1']);
  expect(tableDifferences(before, table).map((text) => text.split(':')[0])).toEqual(['1', '2', '24']);
  const after = withTable(before, table);
  expect(tableDifferences(after, table)).toEqual([]);
  expect([after.startsWith('# Title\n\n<!--'), after.endsWith('-->\n\nThe end.\n')]).toEqual([true, true]);
});
