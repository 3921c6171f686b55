import { runCli } from '#agent/cli/cli.ts';
import { processDeps } from '#agent/cli/process-deps.ts';
import type { AgentConfig } from '#agent/config/config.ts';
import { systemClock } from '#base/clock.ts';
import type { Random } from '#base/random.ts';
import { VERSION } from './version.ts';

/**
 * The composition root: the one place that knows all parts, and the world they work in. `random` decides delays and
 * choices, never keys; a test gives its own to have a renewal early.
 */
export async function main(random: Random = Math.random): Promise<void> {
  const deps = processDeps(VERSION, (config) => startAgent(config, random));
  process.exitCode = await runCli(process.argv.slice(2), deps);
}

/** Runs the daemon until SIGTERM or SIGINT; a second signal ends it at once. */
async function startAgent(config: AgentConfig, random: Random): Promise<number> {
  // Loaded only by the daemon: a command line should answer at once.
  const [{ Agent }, { createLogger }, { useNativeDirectory }, { returnLargeMemory }, { hostname }, { getFips }] =
    await Promise.all([
      import('./agent.ts'),
      import('#base/log.ts'),
      import('#netd/kernel/native.ts'),
      import('#netd/kernel/allocator.ts'),
      import('node:os'),
      import('node:crypto'),
    ]);
  const log = createLogger(config.logLevel);
  useNativeDirectory(config.stateDir);
  if (!returnLargeMemory()) log.debug('the C library does not take settings; more memory may be kept');
  const told = new AbortController();
  const onSignal = (name: string) => {
    if (told.signal.aborted) process.exit(1);
    log.info({ signal: name }, 'netd agent is stopping');
    told.abort(new Error(`told to stop by ${name}`));
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  const agent = new Agent(config, {
    clock: systemClock,
    random,
    log,
    version: VERSION,
    hostname: hostname(),
    fips: getFips() === 1,
  });
  await agent.run(told.signal);
  log.info('netd agent has stopped');
  return 0;
}

if (import.meta.main) void main();
