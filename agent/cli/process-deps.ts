import { systemClock } from '#base/clock.ts';
import { isErrno } from '#base/errors.ts';
import type { CliDeps } from './deps.ts';

/** The real outside world: this process's streams, environment and clock. */
export function processDeps(version: string, startAgent: CliDeps['startAgent']): CliDeps {
  process.stdout.on('error', (error) => {
    // The reader of a pipe has seen enough ("netd inspect tasks | head"): that is no error.
    if (isErrno(error, 'EPIPE')) process.exit();
    throw error;
  });
  return {
    version,
    stdout: process.stdout,
    stderr: process.stderr,
    get stdin() {
      return process.stdin; // opened only by a command that reads it
    },
    env: process.env,
    isTTY: process.stdout.isTTY === true,
    columns: process.stdout.columns ?? 80,
    clock: systemClock,
    startAgent,
  };
}
