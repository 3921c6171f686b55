import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { noticesText } from './notices.ts';
import { bundledPackages } from './packages.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'netd-notices-'));
  write('LICENSE', 'the licence of netd');
});
afterEach(() => rmSync(root, { recursive: true }));

function write(path: string, text: string): string {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
  return path;
}

/** A package with one source file, whose path is returned. */
function pack(directory: string, license: unknown, notice?: string): string {
  const name = directory.slice(directory.lastIndexOf('node_modules/') + 'node_modules/'.length);
  write(`${directory}/package.json`, JSON.stringify({ name, version: '1.0.0', license }));
  if (notice !== undefined) write(`${directory}/LICENSE.md`, notice);
  return write(`${directory}/lib/deep/file.js`, '// Copyright 2021 Header\n');
}

describe('the packages in a bundle', () => {
  it('are those its files come from, each once, with every notice in them', () => {
    const files = [
      write('agent/main.ts', ''),
      pack('node_modules/b', 'MIT', 'notice of b'),
      pack('node_modules/@scope/a', 'ISC', 'notice of a'),
      pack('node_modules/b/node_modules/c', 'MIT', 'notice of c'),
      'node_modules/b/other.js',
      'node_modules/b/other.js',
    ];
    write('node_modules/b/vendor/NOTICE', 'notice of what is in b');
    write('node_modules/b/lib/licensee.js', 'no notice');
    pack('node_modules/not-bundled', 'GPL-3.0');
    expect(bundledPackages(root, files)).toEqual([
      { name: '@scope/a', version: '1.0.0', licence: 'ISC', notices: ['notice of a'] },
      { name: 'b', version: '1.0.0', licence: 'MIT', notices: ['notice of b', 'notice of what is in b'] },
      { name: 'c', version: '1.0.0', licence: 'MIT', notices: ['notice of c'] },
    ]);
  });

  it('are refused, all at once, without a text or with a licence nobody has agreed to', () => {
    const files = [
      pack('node_modules/fine', 'MIT', 'notice'),
      pack('node_modules/silent', 'MIT'),
      pack('node_modules/empty', 'MIT', ' \n'),
      pack('node_modules/strict', 'AGPL-3.0-only', 'notice'),
      pack('node_modules/old', { type: 'MIT' }, 'notice'),
    ];
    expect(() => bundledPackages(root, files)).toThrow(
      'netd cannot be given away with what is in it: silent 1.0.0 has no licence text; empty 1.0.0 has no licence text; ' +
        "strict 1.0.0 has the licence 'AGPL-3.0-only', which is not on the list; " +
        "old 1.0.0 has the licence '', which is not on the list",
    );
  });

  it('are given the notices that are elsewhere: of native libraries, and in sources', () => {
    pack('node_modules/koffi', 'MIT', 'notice of koffi');
    const files = [
      pack('node_modules/@koromix/koffi-linux-x64', 'MIT'),
      pack('node_modules/@bufbuild/protobuf', '(Apache-2.0 AND BSD-3-Clause)'),
    ];
    expect(bundledPackages(root, files).map(({ notices }) => notices)).toEqual([
      ['Copyright 2021 Header', 'the licence of netd'],
      ['notice of koffi'],
    ]);
  });
});

describe('the notices', () => {
  it('have the licence of this Node, and of the real packages what they say', () => {
    const checkout = join(import.meta.dirname, '../..');
    const text = noticesText(checkout, '1.2.3', ['node_modules/pino/pino.js', 'node_modules/p-limit/index.js']);
    expect(text).toContain('This is netd 1.2.3.');
    expect(text).toContain(`Node.js ${process.version}`);
    expect(text).toContain('Copyright Node.js contributors. All rights reserved.');
    expect(text).toMatch(/^pino [\d.]+, MIT$/m);
    expect(text).toContain('Sindre Sorhus');
  });

  it('are refused where the licence of the Node runtime is missing', () => {
    expect(() => noticesText(root, '1.2.3', [])).toThrow('node_modules/node/LICENSE');
  });
});
