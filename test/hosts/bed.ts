import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { outputOf, runCommand } from './command.ts';
import { type EngineName, engineRoot } from './engine-roots.ts';
import { type Holder, startHolder } from './holder.ts';
import { Host } from './host.ts';
import { removeLeftovers, SCRATCH_BASE } from './leftovers.ts';
import { processFacts } from './process-tree.ts';

const HERE = dirname(fileURLToPath(import.meta.url));
const CHECKOUT = dirname(dirname(HERE));

/** Every bed has its switch to itself, so all use the same subnet; .254 is the switch's own end, where tests may listen. */
const SUBNET = '10.77.1';
const PREFIX_BITS = 24;
const MAX_HOSTS = 250;

export interface BedOptions {
  /** Engine of hosts that do not name another one; Debian 12's by default. */
  readonly engine?: EngineName;
}

export interface HostOptions {
  readonly engine?: EngineName;
}

/**
 * Hosts on one switch, all in namespaces of their own: nothing in this machine's network or mount table is touched, and
 * when the owner process ends, however it ends, everything goes.
 */
export class Bed implements AsyncDisposable {
  readonly id: string;
  /** Directory for logs and whatever a test wants to keep for the bed's life. */
  readonly scratch: string;
  readonly #engine: EngineName;
  readonly #keeper: Holder;
  readonly #hosts = new Map<string, { host: Host; holder: Holder }>();
  #made = 0;

  private constructor(id: string, scratch: string, engine: EngineName, keeper: Holder) {
    this.id = id;
    this.scratch = scratch;
    this.#engine = engine;
    this.#keeper = keeper;
  }

  static async create(options: BedOptions = {}): Promise<Bed> {
    if (process.getuid?.() !== 0) throw new Error('the test bed needs root: run it through scripts/as-root.sh');
    await removeLeftovers();
    const id = newBedId();
    const scratch = join(SCRATCH_BASE, id);
    mkdirSync(join(scratch, 'logs'), { recursive: true });
    const keeper = startHolder(['unshare', '--net', 'sh', join(HERE, 'keeper.sh'), id, scratch], {});
    await keeper.line();
    return new Bed(id, scratch, options.engine ?? 'bookworm', keeper);
  }

  /** Makes a host on the bed's switch: `name` is its host name. Engine and agent are not started. */
  async host(name: string, options: HostOptions = {}): Promise<Host> {
    if (this.#hosts.has(name)) throw new Error(`the bed has a host ${name} already`);
    const number = ++this.#made;
    if (number > MAX_HOSTS) throw new Error(`a bed has room for ${MAX_HOSTS} hosts`);
    const root = engineRoot(options.engine ?? this.#engine);
    const address = `${SUBNET}.${number}`;
    const cgroup = `/netd-bed-${this.id}/${name}`;
    const mountPoint = join(this.scratch, name);
    mkdirSync(mountPoint);
    const holder = startHolder(
      [
        ...['unshare', '--mount', '--pid', '--net', '--uts', '--ipc', '--fork', '--kill-child'],
        ...['sh', join(HERE, 'host-init.sh'), mountPoint, root, CHECKOUT, name, `${address}/${PREFIX_BITS}`],
      ],
      { NETD_BED_HOST: this.id },
    );
    const pid = Number((await holder.line()).replace('pid ', ''));
    const port = `port${number}`;
    await this.onSwitch(['ip', 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', `${pid}`]);
    await this.onSwitch(['ip', 'link', 'set', port, 'master', 'switch', 'up']);
    holder.send('go');
    await holder.line();
    const host = new Host({ name, address, pid, cgroup, port, bed: this });
    this.#hosts.set(name, { host, holder });
    return host;
  }

  /** Several hosts with the same options. */
  async hosts(names: readonly string[], options: HostOptions = {}): Promise<readonly Host[]> {
    return Promise.all(names.map((name) => this.host(name, options)));
  }

  /** Runs a command in the network namespace of the switch (but with this machine's files): links, filters, captures. */
  async onSwitch(argv: readonly string[]): Promise<string> {
    const entering = ['nsenter', `--net=/proc/${this.#keeper.pid}/ns/net`, ...argv];
    return outputOf(argv, await runCommand(entering));
  }

  /** Ends a host as a power cut would, and forgets it. */
  async remove(host: Host): Promise<void> {
    await this.#hosts.get(host.name)?.holder.release();
    this.#hosts.delete(host.name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#hosts.values()].map(({ holder }) => holder.release()));
    this.#hosts.clear();
    // It ends only when control groups and files are gone as well.
    await this.#keeper.release();
  }
}

/** A bed with no hosts yet; `await using` it. @see Bed */
export async function createBed(options: BedOptions = {}): Promise<Bed> {
  return Bed.create(options);
}

let bedsMade = 0;

/** Names the owner so that a later run can tell whether it still lives: process number, its start time, a count. */
function newBedId(): string {
  return `${process.pid}-${processFacts(process.pid)?.startTicks ?? 0}-${++bedsMade}`;
}
