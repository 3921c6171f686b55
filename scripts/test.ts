import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { conformanceTable, type TestResult, tableDifferences, withTable } from '#test/conformance/table.ts';
import { ENGINE_SUITES, engineVersion } from '#test/hosts/engine-roots.ts';

/**
 * `npm test`: everything. The checks of `npm run check`, then every suite: units, simulation, fuzzing, and the suites with
 * real engines and managers in namespaces. The last line counts all of it.
 *
 *   npm test -- PATH…           only test files whose path contains one of these
 *   npm test -- --write-table   and writes the results of the conformance suites into the README
 */

const root = join(import.meta.dirname, '..');
const bin = join(root, 'node_modules', '.bin');

const STATIC: readonly (readonly [string, readonly string[]])[] = [
  ['format and lint', ['biome', 'ci', '--error-on-warnings', '.']],
  ['types', ['tsc', '-p', '.']],
  ['generated code', ['node', 'scripts/generated.ts']],
  ['build of dist/netd', ['node', 'scripts/build.ts']],
];

interface Count {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

const only = process.argv.slice(2).filter((word) => !word.startsWith('-'));

async function main(): Promise<void> {
  const writeTable = process.argv.includes('--write-table');
  const counts: Count[] = [];
  if (only.length === 0) for (const [name, argv] of STATIC) counts.push(await check(name, argv));
  const { count, results } = await suites();
  counts.push(count);
  if (only.length === 0) counts.push(await compareTable(results, writeTable));
  const sum = (of: (count: Count) => number) => counts.map(of).reduce((a, b) => a + b, 0);
  const [passed, failed, skipped] = [sum((c) => c.passed), sum((c) => c.failed), sum((c) => c.skipped)];
  process.stdout.write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
}

async function check(name: string, argv: readonly string[]): Promise<Count> {
  const startedMs = performance.now();
  process.stdout.write(`test: ${name} …\n`);
  const fine = (await run(argv)) === 0;
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  process.stdout.write(`test: ${name} ${fine ? 'passed' : 'FAILED'} (${seconds} s)\n`);
  return { passed: fine ? 1 : 0, failed: fine ? 0 : 1, skipped: 0 };
}

interface Report {
  readonly numPassedTests?: number;
  readonly numFailedTests?: number;
  readonly numPendingTests?: number;
  readonly numTodoTests?: number;
  readonly testResults?: readonly { readonly assertionResults: readonly TestResult[] }[];
}

/** All vitest projects in one run, counted from its report. */
async function suites(): Promise<{ count: Count; results: readonly TestResult[] }> {
  const scratch = await mkdtemp(join(tmpdir(), 'netd-test-'));
  const path = join(scratch, 'report.json');
  try {
    const status = await run([
      'vitest',
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${path}`,
      ...only,
    ]);
    const report = JSON.parse(await readFile(path, 'utf8').catch(() => '{}')) as Report;
    const count = countOf(report);
    const results = (report.testResults ?? []).flatMap((file) => file.assertionResults);
    // A run that ends badly without a failed test (a suite that could not be loaded, an unhandled error) is a failure too.
    return { count: status !== 0 && count.failed === 0 ? { ...count, failed: 1 } : count, results };
  } finally {
    await rm(scratch, { recursive: true });
  }
}

function countOf({ numPassedTests = 0, numFailedTests = 0, numPendingTests = 0, numTodoTests = 0 }: Report): Count {
  return { passed: numPassedTests, failed: numFailedTests, skipped: numPendingTests + numTodoTests };
}

/** The README says of every conformance item what its tests have just said. */
async function compareTable(results: readonly TestResult[], write: boolean): Promise<Count> {
  const path = join(root, 'README.md');
  const readme = await readFile(path, 'utf8');
  const table = conformanceTable(
    results,
    ENGINE_SUITES.map((suite) => engineVersion(suite) ?? suite),
  );
  if (write) await writeFile(path, withTable(readme, table));
  const differences = write ? [] : tableDifferences(readme, table);
  for (const difference of differences) process.stdout.write(`test: the README says otherwise of item ${difference}\n`);
  return { passed: differences.length === 0 ? 1 : 0, failed: differences.length === 0 ? 0 : 1, skipped: 0 };
}

/**
 * What ships is what is tested: in a whole run, hosts use the executable built just before. Rounds: see vitest.config.ts. There
 * are cores to spare less than memory, and so engines let garbage lie for longer.
 */
const WHOLE_RUN = {
  NETD_TESTBED_COMMAND: '/opt/netd/dist/netd',
  NETD_TEST_ROUNDS: 'yes',
  NETD_TESTBED_GOGC: '400',
  NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'node'),
};
const env = only.length > 0 ? process.env : { ...WHOLE_RUN, ...process.env };

function run([command = '', ...args]: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(join(bin, command), args, { cwd: root, env, stdio: ['ignore', 'inherit', 'inherit'] });
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

await main();
