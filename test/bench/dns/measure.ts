import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type Figure, quantile } from '#test/bench/figures.ts';
import { createBed } from '#test/hosts/bed.ts';
import type { EngineName } from '#test/hosts/engine-roots.ts';
import type { Host } from '#test/hosts/host.ts';
import { BUSYBOX } from '#test/hosts/image.ts';
import { latencies, mostQueries } from './dnsperf.ts';

/** Of each measurement: the sides take turns, so that both see the same machine. */
const ROUNDS = 5;
const SECONDS = 3;

/** `steady`: questions a second while the time of each answer is taken, about a fifth of what Docker's resolver can do. */
const KINDS = [
  { what: 'service names', name: 'web', steady: 10_000 },
  { what: 'forwarded names', name: 'www.example.com', steady: 3000 },
] as const;
const UPSTREAM = join(import.meta.dirname, 'upstream.fixture.ts');
const RESOLVER = join(import.meta.dirname, '../../dns/resolver.fixture.ts');

type Side = 'ours' | 'docker';

/**
 * netd's resolver and Docker's own, asked by dnsperf from inside two containers of the same engine and network: the most queries per
 * second, and the 99th percentile at the same steady load. Both forward to the same server on the host.
 */
export async function measureDns(progress: (text: string) => void, engine?: EngineName): Promise<readonly Figure[]> {
  await using bed = await createBed(engine === undefined ? {} : { engine });
  const host = await bed.host('dns');
  await host.engine.start();
  await host.engine.load();
  const namespaces = await containers(host);
  const upstream = await startFixture(
    ['nsenter', `--net=/proc/${host.pid}/ns/net`, process.execPath, UPSTREAM],
    host.address,
  );
  const resolver = await startFixture([process.execPath, RESOLVER], namespaces.ours, host.address);
  try {
    const figures: Figure[] = [];
    for (const kind of KINDS) figures.push(...(await compare(kind, namespaces, progress)));
    return figures;
  } finally {
    resolver.kill();
    upstream.kill();
  }
}

async function compare(
  { what, name, steady }: (typeof KINDS)[number],
  namespaces: Readonly<Record<Side, string>>,
  progress: (text: string) => void,
): Promise<readonly Figure[]> {
  const most = { ours: [] as number[], docker: [] as number[] };
  const p99 = { ours: [] as number[], docker: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    for (const side of round % 2 === 0 ? (['ours', 'docker'] as const) : (['docker', 'ours'] as const)) {
      progress(`DNS, ${what}: round ${round + 1} of ${ROUNDS}, ${side}`);
      const load = { namespace: namespaces[side], name, seconds: SECONDS };
      most[side].push(await mostQueries(load));
      p99[side].push(quantile(await latencies(load, steady), 0.99));
    }
  }
  const median = (samples: readonly number[]) => quantile(samples, 0.5);
  const [ours, theirs] = [median(most.ours), median(most.docker)];
  const [ourP99, theirP99] = [median(p99.ours), median(p99.docker)];
  return [
    {
      // Docker's over netd's, so that less is better as in every figure: 1.5 times as many is 0.67.
      name: `DNS queries per second, ${what}`,
      value: theirs / ours,
      unit: 'times',
      bound: 0.67,
      detail: `${ours.toFixed(0)} against ${theirs.toFixed(0)} of Docker: ${(ours / theirs).toFixed(2)} times as many`,
    },
    {
      name: `DNS p99 at ${steady} queries a second, ${what}`,
      value: ourP99 / theirP99,
      unit: 'times',
      bound: 1,
      detail: `${ourP99.toFixed(2)} ms against ${theirP99.toFixed(2)} ms`,
    },
  ];
}

/** Two containers that ask, on a network where `web` is a name. */
async function containers(host: Host): Promise<Readonly<Record<Side, string>>> {
  await host.docker('network', 'create', 'bench');
  const run = ['run', '--detach', '--network', 'bench'];
  await host.docker(...run, '--network-alias', 'web', BUSYBOX, 'sleep', '100000');
  const namespace = async (name: string) => {
    await host.docker(...run, '--name', name, '--dns', host.address, BUSYBOX, 'sleep', '100000');
    const key = await host.docker('inspect', '--format', '{{.NetworkSettings.SandboxKey}}', name);
    return host.path(key.replace('/var/run', '/run'));
  };
  return { ours: await namespace('ours'), docker: await namespace('docker') };
}

async function startFixture(argv: readonly string[], ...args: readonly string[]): Promise<{ kill: () => void }> {
  const [file = '', ...rest] = [...argv, ...args];
  const child = spawn(file, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ready = once(child.stdout, 'data').then(() => true);
  const ended = once(child, 'exit').then(() => false);
  if (!(await Promise.race([ready, ended]))) throw new Error(`${argv.join(' ')} ended before it was ready`);
  return { kill: () => child.kill('SIGKILL') };
}
