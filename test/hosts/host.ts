import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { errorText } from '#base/errors.ts';
import type { CommandResult } from './command.ts';
import { Engine } from './engine.ts';
import { type Holder, startHolder } from './holder.ts';
import { killAllButInit } from './power-cut.ts';
import { oldestChildOf } from './process-tree.ts';
import { bedMark, Shell } from './shell.ts';
import type { Switch } from './switch.ts';

const HOST_INIT = join(import.meta.dirname, 'host-init.sh');
/** Somebody else's change takes a moment; who is refused so often is refused for another reason. */
const UPDATE_ATTEMPTS = 5;
const CHECKOUT = join(import.meta.dirname, '../..');

/** Where a host is made. */
export interface HostPlace {
  readonly bedId: string;
  readonly name: string;
  /** Counts from 1 in each bed. */
  readonly number: number;
  /** The engine's root file system. */
  readonly engineRoot: string;
  readonly switch: Switch;
  readonly scratch: string;
  readonly logDirectory: string;
}

/**
 * A test host: own file system, processes, network and name; the checkout read-only at /opt/netd. Its processes are
 * ordinary processes of this machine, seen with other numbers.
 */
export class Host extends Shell {
  /** IPv4 address on the bed's switch. */
  readonly address: string;
  readonly engine: Engine;
  readonly #holder: Holder;
  readonly #switch: Switch;
  readonly #port: string;
  readonly #cgroup: string;

  private constructor(place: HostPlace, pid: number, holder: Holder) {
    super(place.name, pid, place.logDirectory, place.bedId);
    this.address = place.switch.addressOf(place.number).replace(/\/.*/, '');
    this.#holder = holder;
    this.#switch = place.switch;
    this.#port = portOf(place);
    this.#cgroup = `/netd-bed-${place.bedId}/${place.name}`;
    this.engine = new Engine(this, this.#cgroup);
  }

  /** Makes a host whose processes, all of them, end with this process. */
  static async create(place: HostPlace): Promise<Host> {
    const mountPoint = join(place.scratch, 'roots', place.name);
    mkdirSync(mountPoint, { recursive: true });
    const namespaces = ['--mount', '--pid', '--net', '--uts', '--ipc', '--fork', '--kill-child'];
    const facts = [mountPoint, place.engineRoot, CHECKOUT, place.name, place.switch.addressOf(place.number)];
    const holder = startHolder(['unshare', ...namespaces, 'sh', HOST_INIT, ...facts], bedMark(place.bedId));
    try {
      const pid = Number((await holder.line()).replace('pid ', ''));
      await place.switch.connect(portOf(place), pid);
      holder.send('go');
      await holder.line();
      return new Host(place, pid, holder);
    } catch (error) {
      await holder.release();
      throw error;
    }
  }

  /**
   * Runs the docker command line client with the host's engine. An update of a node or service that somebody has changed since
   * the client read it is refused, and begun anew, as by a person. @see Shell.run
   */
  async docker(...args: readonly string[]): Promise<string> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.run(['docker', ...args]);
      } catch (error) {
        if (attempt === UPDATE_ATTEMPTS || !errorText(error).includes('update out of sequence')) throw error;
      }
    }
  }

  /**
   * Runs a shell script in a running container of the host: as root, in its namespaces, but with nothing else of it. `docker exec`
   * does more, by way of five processes.
   *
   * @throws Error when there is no such container, or it does not run
   */
  async inContainer(id: string, script: string): Promise<CommandResult> {
    const { State } = await this.engine.api().getContainer(id).inspect();
    if (!State.Running) throw new Error(`${this.name}: container ${id} does not run`);
    return this.execIn(State.Pid, ['sh', '-c', script]);
  }

  /** Pulls the network cable: a partition. */
  async linkDown(): Promise<void> {
    await this.#switch.setPort(this.#port, 'down');
  }

  async linkUp(): Promise<void> {
    await this.#switch.setPort(this.#port, 'up');
  }

  /**
   * A power cut and a reboot: every process is gone without warning and so is what is in memory (/run, /tmp, the network but
   * eth0); files stay. Nothing is started again.
   */
  async powerCycle(): Promise<void> {
    // init and the process it waits for, its first, are the host; all others are what runs on it.
    await killAllButInit(this.pid, oldestChildOf(this.pid) ?? 0, this.#cgroup);
    await this.run(['sh', '/opt/netd/test/hosts/forget-memory.sh']);
  }

  /** Ends the host for good, with every process in it. */
  async end(): Promise<void> {
    await this.#holder.release();
  }
}

function portOf(place: HostPlace): string {
  return `port${place.number}`;
}
