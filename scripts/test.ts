import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * `npm test`: everything. The checks of `npm run check`, then every suite: units, simulation, fuzzing, and the suites with
 * real engines and managers in namespaces. The last line counts all of it.
 *
 *   npm test -- PATH…    only test files whose path contains one of these
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

async function main(): Promise<void> {
  const only = process.argv.slice(2);
  const counts: Count[] = [];
  if (only.length === 0) for (const [name, argv] of STATIC) counts.push(await check(name, argv));
  counts.push(await suites(only));
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

/** All vitest projects in one run, counted from its report. */
async function suites(only: readonly string[]): Promise<Count> {
  const scratch = await mkdtemp(join(tmpdir(), 'netd-test-'));
  const report = join(scratch, 'report.json');
  try {
    const status = await run([
      'vitest',
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
      ...only,
    ]);
    const counted = countOf(await readFile(report, 'utf8').catch(() => '{}'));
    // A run that ends badly without a failed test (a suite that could not be loaded, an unhandled error) is a failure too.
    return status !== 0 && counted.failed === 0 ? { ...counted, failed: 1 } : counted;
  } finally {
    await rm(scratch, { recursive: true });
  }
}

function countOf(report: string): Count {
  const {
    numPassedTests = 0,
    numFailedTests = 0,
    numPendingTests = 0,
    numTodoTests = 0,
  } = JSON.parse(report) as {
    readonly [key: string]: number;
  };
  return { passed: numPassedTests, failed: numFailedTests, skipped: numPendingTests + numTodoTests };
}

function run([command = '', ...args]: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(join(bin, command), args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

await main();
