import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import { type Bed, createBed } from '#test/hosts/bed.ts';
import { outputOf, runCommand } from '#test/hosts/command.ts';
import { eventually } from '#test/hosts/eventually.ts';
import { BUSYBOX } from '#test/hosts/image.ts';
import { removeLeftovers, SCRATCH_BASE } from '#test/hosts/leftovers.ts';
import { allProcesses, childrenOf, processFacts, sendSignal } from '#test/hosts/process-tree.ts';
import { swarmInit } from '#test/hosts/swarm.ts';

/** What a bed could change in this machine's own namespaces. */
async function machine(): Promise<Readonly<Record<string, string>>> {
  const commands = {
    links: ['ip', '-brief', 'link'],
    addresses: ['ip', '-brief', 'address'],
    routes: ['ip', 'route', 'show', 'table', 'all'],
    namespaces: ['ip', 'netns'],
    mounts: ['cat', '/proc/self/mountinfo'],
    forwarding: ['cat', '/proc/sys/net/ipv4/ip_forward'],
  };
  const facts = Object.entries(commands).map(async ([name, argv]) => [name, outputOf(argv, await runCommand(argv))]);
  return Object.fromEntries(await Promise.all(facts));
}

/** Processes of the bed: those that carry its id, and those in a process namespace (or a control group) of its hosts. */
function processesOf(bedId: string, namespaces: readonly string[] = []): readonly number[] {
  return allProcesses().filter((pid) => {
    try {
      const namespace = readlinkSync(`/proc/${pid}/ns/pid`);
      const marks = readFileSync(`/proc/${pid}/environ`, 'utf8') + commandLine(pid);
      const groups = readFileSync(`/proc/${pid}/cgroup`, 'utf8');
      return namespaces.includes(namespace) || marks.includes(bedId) || groups.includes(bedId);
    } catch {
      return false; // it ended meanwhile
    }
  });
}

function commandLine(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
}

/** As proc_pid_stat(5) has it: `T` is stopped. */
function processState(pid: number): string | undefined {
  return /^State:\s+(\w)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
}

function controlGroupsOf(bedId: string): readonly string[] {
  const hierarchies = readdirSync('/sys/fs/cgroup').map((name) => join('/sys/fs/cgroup', name));
  return ['/sys/fs/cgroup', ...hierarchies].map((root) => join(root, `netd-bed-${bedId}`)).filter(existsSync);
}

async function busyBed(): Promise<{ readonly bed: Bed; readonly namespace: string }> {
  const bed = await createBed();
  const host = await bed.host('a');
  await host.engine.start();
  await host.engine.load();
  await swarmInit(host);
  await host.docker('run', '--detach', BUSYBOX, 'sleep', '1000');
  return { bed, namespace: readlinkSync(`/proc/${host.pid}/ns/pid`) };
}

/** A bed owned by another process, which ends at the latest with the scope. */
class HeldBed implements AsyncDisposable {
  readonly bedId: string;
  readonly namespace: string;
  readonly owner: ChildProcess;
  readonly #ended: Promise<unknown>;

  constructor(owner: ChildProcess, facts: string) {
    [this.bedId = '', this.namespace = ''] = facts.split(' ');
    this.owner = owner;
    this.#ended = owner.exitCode === null && owner.signalCode === null ? once(owner, 'exit') : Promise.resolve();
  }

  static async create(): Promise<HeldBed> {
    const fixture = join(import.meta.dirname, 'held-bed.fixture.ts');
    const owner = spawn(process.execPath, [fixture], { stdio: ['ignore', 'pipe', 'inherit'] });
    for await (const facts of createInterface({ input: owner.stdout })) return new HeldBed(owner, facts);
    throw new Error('the process that was to hold a bed ended');
  }

  processes(): readonly number[] {
    return processesOf(this.bedId, [this.namespace]);
  }

  get scratch(): string {
    return join(SCRATCH_BASE, this.bedId);
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    this.owner.kill(signal);
    await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill('SIGKILL');
  }
}

describe('a bed leaves nothing behind', () => {
  it('while it lives, nothing outside its namespaces; afterwards, nothing at all', async () => {
    const before = await machine();
    const { bed, namespace } = await busyBed();
    expect(await machine()).toEqual(before);
    expect(processesOf(bed.id, [namespace]).length).toBeGreaterThan(5);
    expect(controlGroupsOf(bed.id)).not.toEqual([]);
    await bed.end();
    expect(await machine()).toEqual(before);
    expect(processesOf(bed.id, [namespace])).toEqual([]);
    expect(controlGroupsOf(bed.id)).toEqual([]);
    expect(existsSync(bed.scratch)).toBe(false);
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)('when its owner dies of %s', async (signal) => {
    const before = await machine();
    await using held = await HeldBed.create();
    expect(held.processes().length).toBeGreaterThan(5);
    await held.kill(signal);
    await eventually('the bed is gone', () => !existsSync(held.scratch), { timeoutMs: 10_000 });
    expect(held.processes()).toEqual([]);
    expect(controlGroupsOf(held.bedId)).toEqual([]);
    expect(await machine()).toEqual(before);
  });

  it('when its owner dies while an engine is stopped: nsenter(1), outside the host, is stopped with it', async () => {
    await using held = await HeldBed.create();
    const { pid: owner = 0 } = held.owner;
    const entered = childrenOf(owner).filter((pid) => commandLine(pid).startsWith('nsenter '));
    const nsenter = entered.find((pid) => commandLine(pid).includes(' dockerd ')) ?? 0;
    const born = processFacts(nsenter)?.startTicks;
    for (const dockerd of childrenOf(nsenter)) sendSignal(dockerd, 'SIGSTOP');
    await eventually('nsenter has stopped', () => processState(nsenter) === 'T');
    await held.kill('SIGKILL');
    await eventually('the bed is gone', () => !existsSync(held.scratch), { timeoutMs: 10_000 });
    // Killed. Whoever inherited it has yet to take note of that, and may never do so: process 1 of a container need not.
    const isOver = () => processFacts(nsenter)?.startTicks !== born || processState(nsenter) === 'Z';
    await eventually('nsenter has ended', isOver);
    expect(held.processes()).toEqual([]);
  });

  it('when its keeper is killed as well: the next run cleans up', async () => {
    await using held = await HeldBed.create();
    const keeper = childrenOf(held.owner.pid ?? 0).find((pid) => commandLine(pid).includes('keeper.sh'));
    sendSignal(keeper ?? 0, 'SIGKILL');
    await held.kill('SIGKILL');
    expect(existsSync(held.scratch)).toBe(true);
    await removeLeftovers();
    expect(held.processes()).toEqual([]);
    expect(controlGroupsOf(held.bedId)).toEqual([]);
    expect(existsSync(held.scratch)).toBe(false);
  });

  it('but beds of living owners are left alone', async () => {
    const stranger = join(SCRATCH_BASE, 'not-a-bed');
    mkdirSync(stranger, { recursive: true });
    await using bed = await createBed();
    expect(await removeLeftovers()).not.toContain(bed.id);
    expect(existsSync(bed.scratch)).toBe(true);
    expect(existsSync(stranger)).toBe(true);
    rmdirSync(stranger);
  });
});
