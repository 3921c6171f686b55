import { join } from 'node:path';
import type { Bed } from './bed.ts';
import { type CommandOptions, type CommandResult, outputOf, runCommand } from './command.ts';
import { Engine } from './engine.ts';
import { HostProcess } from './host-process.ts';

/** What a host runs with: nothing of the caller's environment (a proxy setting, say) gets in. */
const HOST_ENV = {
  PATH: '/opt/netd/node_modules/.bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  LANG: 'C.UTF-8',
};

export interface HostFacts {
  readonly name: string;
  /** IPv4 address on the bed's switch. */
  readonly address: string;
  /** The host's init process, as this machine counts. */
  readonly pid: number;
  /** Parent of the control groups of the host's containers. */
  readonly cgroup: string;
  /** The host's port on the switch. */
  readonly port: string;
  readonly bed: Bed;
}

/**
 * A test host: own file system, processes, network and name; the checkout read-only at /opt/netd. Its processes are
 * ordinary processes of this machine, seen with other numbers.
 */
export class Host {
  readonly name: string;
  readonly address: string;
  readonly pid: number;
  readonly cgroup: string;
  readonly engine: Engine;
  readonly bed: Bed;
  readonly #port: string;

  constructor(facts: HostFacts) {
    this.name = facts.name;
    this.address = facts.address;
    this.pid = facts.pid;
    this.cgroup = facts.cgroup;
    this.bed = facts.bed;
    this.#port = facts.port;
    this.engine = new Engine(this);
  }

  /** Runs a command in the host to its end. @see runCommand */
  async exec(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return runCommand(this.#enter(argv), { ...options, baseEnv: HOST_ENV });
  }

  /** Standard output of a command that must exit with 0. @throws Error with its standard error. */
  async run(argv: readonly string[], options: CommandOptions = {}): Promise<string> {
    return outputOf([`${this.name}:`, ...argv], await this.exec(argv, options));
  }

  /** Starts a daemon; its output goes to a file of the bed named after the host and `name`. */
  async spawn(name: string, argv: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<HostProcess> {
    return HostProcess.start(name, this.#enter(argv), { ...HOST_ENV, ...env }, this.logPath(name));
  }

  /** The docker command line client, at the host's engine. */
  async docker(...args: readonly string[]): Promise<string> {
    return this.run(['docker', ...args]);
  }

  /**
   * Where a file of the host is found from outside, for reading, writing, and connecting to unix sockets. `path` must not
   * lead through an absolute symbolic link (`/var/run` is one: say `/run`).
   */
  path(path: string): string {
    return join(`/proc/${this.pid}/root`, path);
  }

  logPath(name: string): string {
    return join(this.bed.scratch, 'logs', `${this.name}-${name}.log`);
  }

  /** Pulls the network cable: a partition. */
  async linkDown(): Promise<void> {
    await this.bed.onSwitch(['ip', 'link', 'set', this.#port, 'down']);
  }

  async linkUp(): Promise<void> {
    await this.bed.onSwitch(['ip', 'link', 'set', this.#port, 'up']);
  }

  #enter(argv: readonly string[]): readonly string[] {
    const namespaces = ['--mount', '--pid', '--net', '--uts', '--ipc'];
    return ['nsenter', `--target=${this.pid}`, ...namespaces, '--', ...argv];
  }
}
