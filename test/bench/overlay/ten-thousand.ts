import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { silentLogger } from '#base/log.ts';
import { type GossipNode, startGossip } from '#netd/gossip/node.ts';
import { Rtnetlink } from '#netd/kernel/rtnetlink.ts';
import { eventually } from '#test/hosts/eventually.ts';
import { RowEvents } from '#test/overlay/row-events.ts';
import { inside, NETWORK, Stage, type StageHost } from '#test/overlay/stage.ts';
import { type Figure, quantile } from '../figures.ts';
import { benchKeyring, type Command, peerRow, type Started, VTEP } from './rows-node.ts';

const ROWS = 10_000;
const FILLS = 5;
const CHANGES = 200;
const IDLE_PASSES = 3;
const SAMPLE_MS = 10;
const [OUR_IP, OTHER_IP] = ['127.0.9.1', '127.0.9.2'];
const WIDE = { ...NETWORK, subnets: [{ subnet: '10.100.0.0/16', gateway: '10.100.0.1', vni: 4097 }] };
const ENDPOINT = { networkId: WIDE.id, endpointId: 'e1', address: '10.100.0.9/16' };

/** Ten thousand containers of another node, whose rows come through real gossip into a real kernel. */
export async function measureTenThousand(progress: (text: string) => void): Promise<readonly Figure[]> {
  await using stage = await Stage.create(1);
  const host = stage.host(1);
  host.networks = [WIDE];
  await using gossip = await startGossip({
    listen: { ip: OUR_IP, port: 0 },
    advertiseIp: OUR_IP,
    keyring: benchKeyring(),
    logger: silentLogger,
  });
  const other = fork(join(import.meta.dirname, 'rows-node.ts'), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  try {
    progress(`${ROWS} rows come by gossip`);
    await receiveRows(gossip, other);
    const full = await fills(host, gossip, progress);
    const change = await changes(host, gossip, other, progress);
    return [full, change, await idlePasses(host, progress)];
  } finally {
    other.kill('SIGKILL');
    host.overlays.setTables(undefined);
  }
}

async function receiveRows(gossip: GossipNode, other: ChildProcess): Promise<void> {
  other.send({ kind: 'start', ip: OTHER_IP, network: WIDE.id, rows: ROWS } satisfies Command);
  const [{ address }] = (await once(other, 'message')) as [Started];
  gossip.tables.attach(WIDE.id);
  gossip.join([address]);
  await eventually('all rows have come', () => gossip.tables.snapshot(WIDE.id)?.peers.length === ROWS, {
    timeoutMs: 120_000,
    intervalMs: 500,
  });
}

/** From the wish for a network that is not there to all rows in its new namespace. */
async function fills(host: StageHost, gossip: GossipNode, progress: (text: string) => void): Promise<Figure> {
  const wallMs: number[] = [];
  const cpuMs: number[] = [];
  for (let round = 0; round < FILLS; round++) {
    progress(`${ROWS} rows into an empty namespace: round ${round + 1} of ${FILLS}`);
    if (round > 0) await emptied(host);
    host.overlays.setTables(gossip.tables);
    const [startMs, startCpuMs] = [performance.now(), processMs()];
    host.networks = [WIDE];
    host.overlays.set(host.desired());
    await host.overlays.createEndpoint(ENDPOINT);
    while (rowsProgrammed(host) !== ROWS) await sleep(2);
    wallMs.push(performance.now() - startMs);
    cpuMs.push(processMs() - startCpuMs);
  }
  const [value, surely] = [quantile(wallMs, 0.5), Math.min(...wallMs)];
  const detail = `median of ${FILLS}, ${surely.toFixed(0)} ms at best; ${quantile(cpuMs, 0.5).toFixed(0)} ms of CPU`;
  return { name: `${ROWS} endpoints, empty namespace`, value, unit: 'ms', bound: 1000, detail, surely };
}

function rowsProgrammed(host: StageHost): number | undefined {
  return host.overlays.status().networks[0]?.rows.programmed;
}

/** No gossip, and so nobody who is told; then nothing wanted, and so no namespace. */
async function emptied(host: StageHost): Promise<void> {
  host.overlays.setTables(undefined);
  await host.overlays.deleteEndpoint(ENDPOINT.endpointId);
  host.networks = [];
  host.overlays.set(host.desired());
  await host.overlays.deleteNetwork(WIDE.id);
  await eventually('the namespace is gone', () => host.overlays.status().networks.length === 0);
}

/** From the moment the gossip knows until the kernel tells of both rows that a container has, its neighbour's and its bridge's. */
async function changes(
  host: StageHost,
  gossip: GossipNode,
  other: ChildProcess,
  progress: (text: string) => void,
): Promise<Figure> {
  const { namespace = '' } = host.overlays.status().networks[0] ?? {};
  const ended = once(other, 'exit').then(() => Promise.reject(new Error('the other node ended')));
  ended.catch(() => {}); // also when it is ended by us, after something else has failed: that is what has to be told
  using control = Rtnetlink.open(namespace);
  using kernel = new RowEvents(namespace);
  const wallMs: number[] = [];
  const controlMs: number[] = [];
  const cpuMs: number[] = [];
  for (let row = 0; row < CHANGES; row++) {
    if (row % 20 === 0) progress(`one change among ${ROWS}: ${row} of ${CHANGES}`);
    kernel.drain();
    const known = heard(gossip);
    // In turns a container of another node that comes, and one that goes.
    const kind = row % 2 === 0 ? 'add' : 'remove';
    other.send({ kind, row: kind === 'add' ? ROWS + row : row } satisfies Command);
    const { startMs, startCpuMs } = await Promise.race([known, ended]);
    await kernel.told(2);
    wallMs.push(performance.now() - startMs);
    cpuMs.push(processMs() - startCpuMs);
    controlMs.push(await twoKernelCalls(control));
  }
  await checkRows(namespace);
  const value = quantile(wallMs, 0.99);
  const ms = (samples: readonly number[], part: number) => quantile(samples, part).toFixed(1);
  const cpu = `CPU ${ms(cpuMs, 0.5)} ms, p99 ${ms(cpuMs, 0.99)} ms`;
  const bare = `two bare kernel calls take ${ms(controlMs, 0.5)} ms, p99 ${ms(controlMs, 0.99)} ms`;
  return {
    name: `one change among ${ROWS} endpoints, p99`,
    value,
    unit: 'ms',
    bound: 20,
    detail: `median ${ms(wallMs, 0.5)} ms; ${cpu}; ${bare}`,
    surely: Math.max(0, value - quantile(controlMs, 0.99)),
  };
}

/** What the machine makes of as many calls into the kernel as a change needs, at the same time: the rest is ours. */
async function twoKernelCalls(rtnetlink: Rtnetlink): Promise<number> {
  const startMs = performance.now();
  await rtnetlink.link('lo');
  await rtnetlink.link('lo');
  return performance.now() - startMs;
}

/** @throws Error unless the kernel has the rows that are left after all changes, and no others */
async function checkRows(namespace: string): Promise<void> {
  const rows = (await inside(namespace, 'bridge', 'fdb')).split('\n').filter((line) => line.includes(` dst ${VTEP}`));
  const macs = new Set(rows.map((line) => line.split(' ')[0]));
  const wrong = Array.from({ length: ROWS + CHANGES }, (_, row) => row).filter((row) => {
    const isWanted = row % 2 === 0 || (row >= CHANGES && row < ROWS);
    return macs.has(peerRow(row).mac) !== isWanted;
  });
  if (wrong.length > 0) throw new Error(`${wrong.length} changes are not in the kernel`);
}

/** When the tables tell of the next change, before anybody else is told. */
function heard({ tables }: GossipNode): Promise<{ readonly startMs: number; readonly startCpuMs: number }> {
  return new Promise((resolve) => {
    const end = tables.watch(() => {
      end();
      resolve({ startMs: performance.now(), startCpuMs: processMs() });
    });
  });
}

/** The comparison of everything with the kernel that comes by itself every half minute, and what surrounds it. */
async function idlePasses(host: StageHost, progress: (text: string) => void): Promise<Figure> {
  const cpuMs: number[] = [];
  const tookMs: number[] = [];
  const lastPass = () => host.overlays.status().networks[0]?.lastPass;
  while (cpuMs.length < IDLE_PASSES) {
    progress(`a pass with nothing to do: ${cpuMs.length + 1} of ${IDLE_PASSES}`);
    const before = lastPass();
    const samples: { atMs: number; cpuMs: number }[] = [];
    const sampling = setInterval(() => samples.push({ atMs: Date.now(), cpuMs: processMs() }), SAMPLE_MS);
    // To ask is dear at this size, so it is asked seldom, and only then looked up what the pass had cost.
    const pass = await eventually('a pass', () => different(lastPass(), before), {
      intervalMs: 2000,
      timeoutMs: 60_000,
    });
    clearInterval(sampling);
    if (pass.ops > 0) throw new Error(`${pass.ops} ops in a pass with nothing to do`);
    const first = samples.findLast(({ atMs }) => atMs < pass.atMs - pass.tookMs - SAMPLE_MS);
    const last = samples.find(({ atMs }) => atMs > pass.atMs + SAMPLE_MS);
    // The answer came too soon, or the pass at once.
    if (first === undefined || last === undefined) continue;
    cpuMs.push(last.cpuMs - first.cpuMs);
    tookMs.push(pass.tookMs);
  }
  const detail = `medians of ${IDLE_PASSES}; ${quantile(tookMs, 0.5).toFixed(0)} ms in all`;
  return { name: `pass over ${ROWS} endpoints, CPU`, value: quantile(cpuMs, 0.5), unit: 'ms', bound: 150, detail };
}

function different<T>(now: T | undefined, before: T | undefined): T | false {
  return now !== undefined && now !== before && now;
}

/** Processor time of this process, in milliseconds. */
function processMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

if (import.meta.main) {
  const { figureLine } = await import('../figures.ts');
  for (const figure of await measureTenThousand((text) => console.error(text))) console.log(figureLine(figure));
}
