import { spawn } from 'node:child_process';
import { join } from 'node:path';

/** `npm run check`: what must hold before every commit, quick and without privileges. Stops at the first that fails. */

const bin = join(import.meta.dirname, '..', 'node_modules', '.bin');
const STEPS: readonly (readonly [string, readonly string[]])[] = [
  ['format and lint', ['biome', 'ci', '--error-on-warnings', '.']],
  ['types', ['tsc', '-p', '.']],
  ['generated code', ['node', 'scripts/generated.ts']],
  ['unit tests', ['vitest', 'run', '--project', 'unit']],
];

for (const [name, [command = '', ...args]] of STEPS) {
  const startedMs = performance.now();
  process.stdout.write(`check: ${name} …\n`);
  const status = await new Promise<number>((resolve, reject) => {
    const child = spawn(join(bin, command), args, { stdio: 'inherit' });
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
  if (status !== 0) {
    process.stderr.write(`check: ${name} failed\n`);
    process.exit(1);
  }
  process.stdout.write(`check: ${name} is fine (${((performance.now() - startedMs) / 1000).toFixed(1)} s)\n`);
}
