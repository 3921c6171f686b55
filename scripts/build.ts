import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { RUNTIME_FLAGS } from '#agent/runtime-flags.ts';
import { NetdError } from '#base/errors.ts';
import { manualPage } from './manual/page.ts';
import { noticesText } from './notices/notices.ts';

/**
 * Builds dist/netd: the sources bundled to one script, the script put into a copy of the Node this project pins (Node's
 * "single executable application"). It runs on any host with that architecture and a C library, without Node or npm.
 *
 *   node scripts/build.ts                 dist/netd, of agent/main.ts
 *   node scripts/build.ts ENTRY OUTPUT    another program in the same way: for tests of what only executables do
 *
 * Beside it lie `netd.notices`, the licences of all that is in it, and `netd.8`, the manual page: packages take both along.
 */

const root = join(import.meta.dirname, '..');
const given = process.argv.slice(2).map((path) => resolve(path));
const [entry = join(root, 'agent', 'main.ts'), executable = join(root, 'dist', 'netd')] = given;
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
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  const sources = await bundleSources(version);
  await writeFile(`${executable}.notices`, noticesText(root, version, [...sources, ...Object.values(nativeParts())]));
  await writeFile(`${executable}.8`, manualPage(version));
  say('putting it into a copy of Node');
  await makeExecutable();
  const { stdout } = await run(executable, ['version']);
  const { size } = await stat(executable);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  const name = relative(root, executable);
  say(`${name} is built: ${stdout.trim().split('\n')[0]}, ${Math.round(size / 2 ** 20)} MiB, ${seconds} s`);
}

/** Bundles, and resolves to the files that something in the bundle comes from, relative to the checkout. */
async function bundleSources(version: string): Promise<readonly string[]> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile: bundle,
    metafile: true,
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
  return Object.values(metafile.outputs).flatMap(({ inputs }) =>
    Object.keys(inputs).filter((path) => (inputs[path]?.bytesInOutput ?? 0) > 0),
  );
}

async function makeExecutable(): Promise<void> {
  const config = `${executable}.sea.json`;
  const seaConfig = {
    main: bundle,
    output: blob,
    disableExperimentalSEAWarning: true,
    useCodeCache: true,
    execArgv: RUNTIME_FLAGS,
    assets: Object.fromEntries(Object.entries(nativeParts()).map(([name, path]) => [name, join(root, path)])),
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

/** The library netd/kernel/native.ts loads, by the name it asks for, in the checkout: that of the architecture this runs on. */
function nativeParts(): Readonly<Record<string, string>> {
  const { arch } = process;
  const koffi = join('node_modules', '@koromix', `koffi-linux-${arch}`, `linux_${arch}`, 'koffi.node');
  return { 'koffi.node': koffi };
}

function say(text: string): void {
  process.stdout.write(`build: ${text}\n`);
}

await main().catch((error: unknown) => {
  if (!(error instanceof NetdError)) throw error;
  process.stderr.write(`build: ${error.message}\n  → ${error.mend}\n`);
  process.exitCode = 1;
});
