import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { NetdError } from '#base/errors.ts';
import { copyrightComments, isAllowed } from './licence.ts';

/** A package whose code is in the executable, with all notices its licence wants to see passed on. */
export interface BundledPackage {
  readonly name: string;
  readonly version: string;
  /** An SPDX licence expression. */
  readonly licence: string;
  readonly notices: readonly string[];
}

/** A directory such as `node_modules/@scope/name`, of nested packages the innermost. */
const PACKAGE = /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/;
/** Files with licences and notices, also those a package has taken over from others below it. */
const NOTICE_FILE = /^(licen[cs]e|notice|copying)([.-].*)?$/i;

/** Packages of native libraries have no licence file: the packages with their sources do. */
const SOURCES_OF_BINARIES: readonly (readonly [RegExp, string])[] = [[/^@koromix\/koffi-/, 'koffi']];
/** Packages that have their notices in their sources, and of the Apache licence no copy: netd's own is one. */
const NOTICES_IN_SOURCES: ReadonlySet<string> = new Set(['@bufbuild/protobuf']);

/**
 * The packages that files of the executable come from, by name.
 *
 * @param root the checkout
 * @param files paths relative to it; those outside of `node_modules` are netd's own
 * @throws NetdError `notices` naming every package that has no notices, or a licence that nobody has agreed to
 */
export function bundledPackages(root: string, files: readonly string[]): readonly BundledPackage[] {
  const byDirectory = new Map<string, string[]>();
  for (const file of files) {
    const directory = PACKAGE.exec(file)?.[0];
    if (directory !== undefined) byDirectory.set(directory, [...(byDirectory.get(directory) ?? []), file]);
  }
  const packages = [...byDirectory].map(([directory, own]) => readPackage(root, directory, own));
  const faults = packages.flatMap(faultsOf);
  if (faults.length > 0) {
    throw new NetdError('notices', `netd cannot be given away with what is in it: ${faults.join('; ')}`, {
      mend: 'Take another package, or see what scripts/notices/ takes for a licence and where it looks for its text.',
    });
  }
  return packages.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function readPackage(root: string, directory: string, files: readonly string[]): BundledPackage {
  const facts = JSON.parse(readFileSync(join(root, directory, 'package.json'), 'utf8')) as Partial<BundledPackage> & {
    readonly license?: unknown;
  };
  const { name = directory, version = '' } = facts;
  const source = SOURCES_OF_BINARIES.find(([binaries]) => binaries.test(name))?.[1];
  const notices = NOTICES_IN_SOURCES.has(name)
    ? [...new Set(files.flatMap((file) => copyrightComments(text(root, file)))), text(root, 'LICENSE')]
    : noticeFiles(join(root, source === undefined ? directory : join('node_modules', source)));
  return { name, version, licence: typeof facts.license === 'string' ? facts.license : '', notices };
}

function noticeFiles(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && NOTICE_FILE.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !path.slice(directory.length).includes('/node_modules/'))
    .sort()
    .map((path) => readFileSync(path, 'utf8'));
}

function faultsOf({ name, version, licence, notices }: BundledPackage): string[] {
  const faults: string[] = [];
  if (!isAllowed(licence)) faults.push(`${name} ${version} has the licence '${licence}', which is not on the list`);
  if (notices.every((notice) => notice.trim() === '')) faults.push(`${name} ${version} has no licence text`);
  return faults;
}

function text(root: string, file: string): string {
  return readFileSync(join(root, file), 'utf8');
}
