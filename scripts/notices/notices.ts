import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { NetdError } from '#base/errors.ts';
import { bundledPackages } from './packages.ts';

const RULE = '='.repeat(80);

/**
 * What has to be read by whoever is given the executable: the licence of netd, and the notices of all that is in it.
 *
 * @param files see bundledPackages
 * @throws NetdError `notices`
 */
export function noticesText(root: string, version: string, files: readonly string[]): string {
  const packages = bundledPackages(root, files).map(
    ({ name, version: own, licence, notices }) => [`${name} ${own}, ${licence}`, ...notices] as const,
  );
  return [
    `This is netd ${version}. Its licence stands first; then come those of the programs and libraries that are part of its executable.`,
    part('netd, Apache-2.0', readFileSync(join(root, 'LICENSE'), 'utf8')),
    part(`Node.js ${process.version}, with all that is part of it`, nodeLicence(root)),
    ...packages.map(([title, ...notices]) => part(title, ...notices)),
  ].join('\n\n');
}

function part(title: string, ...texts: readonly string[]): string {
  return [RULE, title, RULE, ...texts.map((text) => `\n${text.replace(/^\n+|\s+$/g, '')}`), ''].join('\n');
}

/** The licence of the runtime. The package "node" leaves it out, and `scripts/setup.sh` puts it there. */
function nodeLicence(root: string): string {
  const path = join('node_modules', 'node', 'LICENSE');
  if (!existsSync(join(root, path))) {
    throw new NetdError('notices', `there is no licence of the Node runtime, ${path}`, {
      mend: 'Run "sh scripts/setup.sh --npm-only" where the npm registry can be reached.',
    });
  }
  return readFileSync(join(root, path), 'utf8');
}
