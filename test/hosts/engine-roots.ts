import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { basename, join } from 'node:path';

/** Where scripts/setup.sh keeps engine root file systems and image layers. */
export function testbedCache(): string {
  return process.env.NETD_TESTBED_CACHE ?? '/var/cache/netd-testbed';
}

/** The Debian suites whose engines the test bed has, oldest engine first. */
export const ENGINE_SUITES = ['bookworm', 'trixie', 'sid'] as const;
export type EngineSuite = (typeof ENGINE_SUITES)[number];

/** An engine by its suite (`bookworm`) or by its version (`20.10.24`). */
export type EngineName = EngineSuite | (string & {});

/** The version a suite's engine really has, such as `28.5.2`; undefined when it was not made on this machine. */
export function engineVersion(suite: EngineSuite): string | undefined {
  const link = join(testbedCache(), 'engines', suite);
  return existsSync(link) ? basename(realpathSync(link)) : undefined;
}

/** Versions of all engines made on this machine, oldest first. */
export function engineVersions(): readonly string[] {
  return ENGINE_SUITES.map(engineVersion).filter((version) => version !== undefined);
}

/**
 * Directory with the engine's root file system.
 *
 * @throws Error naming the engines there are.
 */
export function engineRoot(name: EngineName): string {
  const engines = join(testbedCache(), 'engines');
  const root = join(engines, name);
  if (existsSync(join(root, 'usr/sbin/dockerd'))) return realpathSync(root);
  const have = existsSync(engines) ? readdirSync(engines).join(', ') || 'none' : 'none';
  throw new Error(`no Docker engine '${name}' in ${engines} (there: ${have}); run: sh scripts/setup.sh`);
}
