import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { systemClock } from '#base/clock.ts';
import { createLogger, silentLogger } from '#base/log.ts';
import type { DesiredAttachment, DesiredNetwork, DesiredNetworks } from '#netd/desired.ts';
import { createNamespace, deleteNamespace } from '#netd/kernel/netns.ts';
import { createOverlays, type Overlays } from '#netd/overlay/overlays.ts';
import { STAGE_PREFIX } from '#test/hosts/leftovers.ts';
import { MemoryGossip, type MemoryTables } from './memory-gossip.ts';

const run = promisify(execFile);
const logger = process.env.NETD_TEST_LOG === undefined ? silentLogger : createLogger('debug');

export const NETWORK: DesiredNetwork = {
  id: 'net0abcdefghijklmnopqrstu',
  name: 'app',
  subnets: [
    { subnet: '10.100.1.0/24', gateway: '10.100.1.1', vni: 4097 },
    { subnet: '10.100.2.0/24', gateway: '10.100.2.1', vni: 4098 },
  ],
  underlayMtu: undefined,
  internal: false,
  attachable: true,
  ingress: false,
  encrypted: false,
  loadBalancerAddress: undefined,
};

/** Runs a command in a network namespace. */
export async function inside(namespace: string, ...argv: readonly string[]): Promise<string> {
  const { stdout } = await run('nsenter', [`--net=${namespace}`, ...argv]);
  return stdout;
}

/** Hosts as namespaces on one wire, with overlays and no engine: the test moves interfaces as an engine does. */
export class Stage implements AsyncDisposable {
  /** With the id of the process, so that what a killed run left can be told apart (test/hosts/leftovers.ts). */
  readonly directory = mkdtempSync(`${STAGE_PREFIX}${process.pid}-`);
  readonly gossip = new MemoryGossip();
  readonly hosts: StageHost[] = [];
  readonly isV6: boolean;
  readonly #switch: string;

  /** @param isV6 VTEPs are IPv6 addresses */
  constructor(isV6: boolean) {
    this.isV6 = isV6;
    this.#switch = join(this.directory, 'switch');
    createNamespace(this.#switch);
  }

  static async create(hosts: number, isV6 = false): Promise<Stage> {
    const stage = new Stage(isV6);
    await inside(stage.#switch, 'ip', 'link', 'add', 'sw', 'type', 'bridge');
    await inside(stage.#switch, 'ip', 'link', 'set', 'sw', 'up');
    for (let i = 1; i <= hosts; i++) await stage.#addHost(i);
    return stage;
  }

  host(number: number): StageHost {
    const host = this.hosts[number - 1];
    if (host === undefined) throw new Error(`no host ${number}`);
    return host;
  }

  async #addHost(number: number): Promise<void> {
    const namespace = join(this.directory, `host${number}`);
    createNamespace(namespace);
    await inside(namespace, 'ip', 'link', 'set', 'lo', 'up');
    await inside(this.#switch, 'ip', 'link', 'add', `p${number}`, 'type', 'veth', 'peer', 'name', 'up0');
    await inside(this.#switch, 'ip', 'link', 'set', `p${number}`, 'master', 'sw', 'up');
    // Two namespaces that only have files: the link goes by way of a process in the target.
    const target = spawn('nsenter', [`--net=${namespace}`, 'sleep', '60'], { stdio: 'ignore' });
    try {
      await untilInside(target.pid ?? 0, namespace);
      await inside(this.#switch, 'ip', 'link', 'set', 'up0', 'netns', String(target.pid));
    } finally {
      target.kill();
    }
    await inside(namespace, 'ip', 'address', 'add', `192.168.50.${number}/24`, 'dev', 'up0');
    await inside(namespace, 'ip', 'address', 'add', `fd00:50::${number}/64`, 'dev', 'up0', 'nodad');
    await inside(namespace, 'ip', 'link', 'set', 'up0', 'up');
    this.hosts.push(new StageHost(this, number, namespace));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const host of this.hosts) await host.end();
    deleteNamespace(this.#switch);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export class StageHost {
  readonly stage: Stage;
  readonly namespace: string;
  readonly vtep: string;
  readonly name: string;
  readonly runDir: string;
  overlays: Overlays;
  tables: MemoryTables;
  networks: readonly DesiredNetwork[] = [NETWORK];
  readonly attachments: DesiredAttachment[] = [];
  /** Time that passed without anybody waiting for it, in milliseconds. */
  laterMs = 0;
  readonly #containers: string[] = [];
  #endpoints = 0;

  constructor(stage: Stage, number: number, namespace: string) {
    this.stage = stage;
    this.namespace = namespace;
    this.name = `node${number}`;
    this.vtep = stage.isV6 ? `fd00:50::${number}` : `192.168.50.${number}`;
    this.runDir = join(stage.directory, `run${number}`);
    this.tables = stage.gossip.member(this.name);
    this.overlays = this.#start();
  }

  desired(): DesiredNetworks {
    const { vtep, networks, attachments } = this;
    return { vtep, dataPathPort: 4789, networks, attachments: [...attachments] };
  }

  /** netd ends, and starts again: another life, another gossip. */
  async restart(): Promise<void> {
    await this.overlays.close();
    this.stage.gossip.fail(this.name);
    this.tables = this.stage.gossip.member(this.name);
    this.overlays = this.#start();
  }

  start(): void {
    this.overlays.set(this.desired());
    this.overlays.setTables(this.tables);
  }

  /** A container with one interface, as the engine makes it. @returns its namespace */
  async container(address: string, networkId = NETWORK.id): Promise<StageContainer> {
    this.#endpoints++;
    const endpointId = `${this.name}e${this.#endpoints}`.padEnd(64, '0');
    const sandbox = join(this.stage.directory, `${this.name}-c${this.#endpoints}`);
    createNamespace(sandbox);
    this.#containers.push(sandbox);
    const { address: given, mac } = await this.overlays.createEndpoint({ networkId, endpointId, address });
    const joined = await this.overlays.joinEndpoint(endpointId, sandbox);
    const holder = spawn('nsenter', [`--net=${sandbox}`, 'sleep', '60'], { stdio: 'ignore' });
    try {
      await untilInside(holder.pid ?? 0, sandbox);
      const move = ['link', 'set', joined.srcName, 'netns', String(holder.pid), 'name', 'eth0'];
      await inside(this.namespace, 'ip', ...move);
    } finally {
      holder.kill();
    }
    await inside(sandbox, 'ip', 'link', 'set', 'lo', 'up');
    await inside(sandbox, 'ip', 'address', 'add', given, 'dev', 'eth0');
    await inside(sandbox, 'ip', 'link', 'set', 'eth0', 'up');
    for (const { destination, nextHop } of joined.staticRoutes) {
      await inside(sandbox, 'ip', 'route', 'add', destination, 'via', nextHop);
    }
    return { endpointId, sandbox, mac, ip: given.split('/')[0] ?? '' };
  }

  async end(): Promise<void> {
    // Nothing is wanted any more: all goes.
    this.attachments.length = 0;
    for (const { endpointId } of this.overlays.endpoints()) await this.overlays.deleteEndpoint(endpointId);
    this.overlays.set({ ...this.desired(), networks: [] });
    for (const { id } of this.overlays.status().networks) await this.overlays.deleteNetwork(id);
    await this.overlays.close();
    for (const sandbox of this.#containers) deleteNamespace(sandbox);
    deleteNamespace(this.namespace);
  }

  #start(): Overlays {
    const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + this.laterMs };
    const { runDir, namespace: hostNamespace } = this;
    return createOverlays({ runDir, hostNamespace, clock, logger: logger.child({ host: this.name }) });
  }
}

export interface StageContainer {
  readonly endpointId: string;
  readonly sandbox: string;
  readonly mac: string;
  readonly ip: string;
}

/** One echo of that many bytes of data; true if it was answered within a second. */
export async function pings(from: StageContainer, ip: string, bytes = 56): Promise<boolean> {
  try {
    await inside(from.sandbox, 'busybox', 'ping', '-c', '1', '-W', '1', '-s', String(bytes), ip);
    return true;
  } catch {
    return false;
  }
}

/** Packets that a namespace has cut into fragments since it began (RFC 4293 ipFragCreates). */
export async function fragments(namespace: string): Promise<number> {
  const [names, values] = (await inside(namespace, 'cat', '/proc/thread-self/net/snmp'))
    .split('\n')
    .filter((line) => line.startsWith('Ip:'))
    .map((line) => line.split(' '));
  return Number(values?.[names?.indexOf('FragCreates') ?? -1]);
}

/** A process that enters a namespace is not in it at once. */
async function untilInside(pid: number, namespace: string): Promise<void> {
  const { statSync } = await import('node:fs');
  const wanted = statSync(namespace).ino;
  for (let tries = 0; tries < 500; tries++) {
    try {
      if (statSync(`/proc/${pid}/ns/net`).ino === wanted) return;
    } catch {}
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`process ${pid} did not enter ${namespace}`);
}
