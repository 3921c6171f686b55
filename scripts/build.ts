import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { RUNTIME_FLAGS } from '#agent/runtime-flags.ts';

/**
 * Builds dist/netd: the sources bundled to one script, the script put into a copy of the Node this project pins (Node's
 * "single executable application"). It runs on any host with that architecture and a C library, without Node or npm.
 *
 *   node scripts/build.ts                 dist/netd, of agent/main.ts
 *   node scripts/build.ts ENTRY OUTPUT    another program in the same way: for tests of what only executables do
 */

const root = join(import.meta.dirname, '..');
const [entry = join(root, 'agent', 'main.ts'), executable = join(root, 'dist', 'netd')] = process.argv.slice(2);
const bundle = `${executable}.cjs`;
const blob = `${executable}.blob`;

/** The name Node looks for in its own executable (Node documentation, "Single executable applications"). */
const SEA_FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';

/** Optional parts of dockerode netd never uses: an engine over ssh, and image builds. They are heavy and partly native. */
const LEFT_OUT = ['ssh2', 'cpu-features', '@grpc/proto-loader'];

const run = promisify(execFile);

async function main(): Promise<void> {
  const startedMs = performance.now();
  await mkdir(dirname(executable), { recursive: true });
  say('bundling');
  await bundleSources();
  say('putting it into a copy of Node');
  await makeExecutable();
  const { stdout } = await run(executable, ['version']);
  const { size } = await stat(executable);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  const name = relative(root, executable);
  say(`${name} is built: ${stdout.trim().split('\n')[0]}, ${Math.round(size / 2 ** 20)} MiB, ${seconds} s`);
}

async function bundleSources(): Promise<void> {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  await build({
    entryPoints: [entry],
    outfile: bundle,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    define: { NETD_VERSION: JSON.stringify(version), 'import.meta.main': 'true', 'import.meta.url': '""' },
    logLevel: 'warning',
    plugins: [
      {
        name: 'left-out',
        setup: ({ onResolve, onLoad }) => {
          const filter = new RegExp(`^(${LEFT_OUT.join('|')})$`);
          onResolve({ filter }, ({ path }) => ({ path, namespace: 'left-out' }));
          onLoad({ filter: /.*/, namespace: 'left-out' }, () => ({ contents: 'module.exports = {};' }));
        },
      },
    ],
  });
}

async function makeExecutable(): Promise<void> {
  const config = `${executable}.sea.json`;
  const assets = nativeParts();
  const seaConfig = {
    main: bundle,
    output: blob,
    disableExperimentalSEAWarning: true,
    useCodeCache: true,
    execArgv: RUNTIME_FLAGS,
    assets,
  };
  await writeFile(config, JSON.stringify(seaConfig));
  await run(process.execPath, ['--experimental-sea-config', config]);
  const unfinished = `${executable}.new`;
  await copyFile(process.execPath, unfinished);
  await chmod(unfinished, 0o755);
  const postject = join(root, 'node_modules', '.bin', 'postject');
  await run(postject, [unfinished, 'NODE_SEA_BLOB', blob, '--sentinel-fuse', SEA_FUSE]);
  await rename(unfinished, executable);
  await Promise.all([config, blob].map((path) => rm(path)));
}

/** The library netd/kernel/native.ts loads, by the name it asks for: that of the architecture this runs on. */
function nativeParts(): Readonly<Record<string, string>> {
  const { arch } = process;
  const koffi = join(root, 'node_modules', '@koromix', `koffi-linux-${arch}`, `linux_${arch}`, 'koffi.node');
  return { 'koffi.node': koffi };
}

function say(text: string): void {
  process.stdout.write(`build: ${text}\n`);
}

await main();
