import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type EngineName, engineRoot } from './engine-roots.ts';
import { Host } from './host.ts';
import { removeLeftovers, SCRATCH_BASE } from './leftovers.ts';
import { processFacts } from './process-tree.ts';
import { Switch } from './switch.ts';

export interface BedOptions {
  /** Engine of hosts that do not name another one; Debian 12's (20.10.24) by default. */
  readonly engine?: EngineName;
}

export interface HostOptions {
  readonly engine?: EngineName;
}

/**
 * Hosts on one switch, all in namespaces of their own: nothing in this machine's network or mount table is touched, and
 * when this process ends, however it ends, everything goes. Several beds may exist at once.
 */
export class Bed implements AsyncDisposable {
  readonly id: string;
  readonly switch: Switch;
  /** Directory for whatever a test wants to keep for the bed's life. */
  readonly scratch: string;
  /** Where daemons of the hosts log; outlives the bed when NETD_TESTBED_LOGS names a directory. */
  readonly logDirectory: string;
  readonly #engine: EngineName;
  readonly #hosts = new Map<string, Promise<Host>>();
  #hostsMade = 0;

  private constructor(id: string, scratch: string, logDirectory: string, engine: EngineName, bedSwitch: Switch) {
    this.id = id;
    this.scratch = scratch;
    this.logDirectory = logDirectory;
    this.#engine = engine;
    this.switch = bedSwitch;
  }

  /** A bed without hosts. */
  static async create(options: BedOptions = {}): Promise<Bed> {
    if (process.getuid?.() !== 0) throw new Error('the test bed needs root: run this through scripts/as-root.sh');
    await removeLeftovers();
    const id = newBedId();
    const scratch = join(SCRATCH_BASE, id);
    const logDirectory = process.env.NETD_TESTBED_LOGS
      ? join(process.env.NETD_TESTBED_LOGS, id)
      : join(scratch, 'logs');
    const bedSwitch = await Switch.create(id, scratch);
    mkdirSync(logDirectory, { recursive: true });
    return new Bed(id, scratch, logDirectory, options.engine ?? 'bookworm', bedSwitch);
  }

  /** Makes a host on the bed's switch, with that host name. Neither engine nor netd is started. */
  async host(name: string, options: HostOptions = {}): Promise<Host> {
    if (this.#hosts.has(name)) throw new Error(`the bed has a host ${name} already`);
    const host = Host.create({
      bedId: this.id,
      name,
      number: ++this.#hostsMade,
      engineRoot: engineRoot(options.engine ?? this.#engine),
      switch: this.switch,
      scratch: this.scratch,
      logDirectory: this.logDirectory,
    });
    this.#hosts.set(name, host);
    host.catch(() => this.#hosts.delete(name));
    return host;
  }

  /** Ends a host for good; its name may be used again. */
  async remove(host: Host): Promise<void> {
    await host.end();
    this.#hosts.delete(host.name);
  }

  /** Resolves when nothing of the bed is left on this machine. */
  async end(): Promise<void> {
    // A host that could not be made has cleaned up after itself.
    await Promise.allSettled([...this.#hosts.values()].map(async (host) => (await host).end()));
    this.#hosts.clear();
    await this.switch.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}

/** A bed without hosts: `await using bed = await createBed()`. */
export async function createBed(options: BedOptions = {}): Promise<Bed> {
  return Bed.create(options);
}

let bedsMade = 0;

/** Names the owner so that a later run can tell whether it still lives: process number, its start time, a count. */
function newBedId(): string {
  return `${process.pid}-${processFacts(process.pid)?.startTicks ?? 0}-${++bedsMade}`;
}
