import { once } from 'node:events';
import { connect } from 'node:net';
import type { CommandOptions, CommandResult } from './command.ts';
import { eventually } from './eventually.ts';
import type { Host } from './host.ts';
import type { HostProcess } from './host-process.ts';
import type { Swarm } from './swarm.ts';

/** How netd is called in a host: from its sources, or the built executable with NETD_TESTBED_COMMAND=/opt/netd/dist/netd. */
export const NETD_COMMAND: readonly string[] = (
  process.env.NETD_TESTBED_COMMAND ?? 'node /opt/netd/agent/main.ts'
).split(' ');

/** A machine that starts forty daemons at once may take long; a daemon that cannot start ends much earlier. */
const START_TIMEOUT_MS = 60_000;

export interface NetdOptions {
  /** Names its log and, unless they are given, its directories: for several on one host. `netd` by default. */
  readonly name?: string;
  readonly stateDir?: string;
  readonly runDir?: string;
  /** Another program to run the daemon, in place of NETD_COMMAND. */
  readonly command?: readonly string[];
  /** Further flags of `netd agent`. */
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** netd on one host: the daemon and its command line. */
export class Netd implements AsyncDisposable {
  readonly host: Host;
  readonly name: string;
  readonly stateDir: string;
  readonly runDir: string;
  readonly #options: NetdOptions;
  #process: HostProcess | undefined;

  constructor(host: Host, options: NetdOptions = {}) {
    this.host = host;
    this.#options = options;
    this.name = options.name ?? 'netd';
    this.stateDir = options.stateDir ?? `/var/lib/${this.name}`;
    this.runDir = options.runDir ?? `/run/${this.name}`;
  }

  /** The local API's socket, as seen from outside the host. */
  get socketPath(): string {
    return this.host.path(`${this.runDir}/netd.sock`);
  }

  get running(): boolean {
    return this.#process?.running === true;
  }

  get process(): HostProcess {
    if (this.#process === undefined) throw new Error(`${this.name} on ${this.host.name} was not started`);
    return this.#process;
  }

  /** Starts `netd agent` and returns at once: see `started`. */
  async spawn(flags: readonly string[] = []): Promise<void> {
    if (this.running) throw new Error(`${this.name} on ${this.host.name} runs already`);
    const command = this.#options.command ?? NETD_COMMAND;
    const argv = [...command, 'agent', '--state-dir', this.stateDir, '--run-dir', this.runDir];
    this.#process = await this.host.spawn(
      this.name,
      [...argv, ...(this.#options.flags ?? []), ...flags],
      this.#options.env,
    );
  }

  /** Starts `netd agent` and waits until its local API takes connections. @throws Error with its log when it ends instead. */
  async start(flags: readonly string[] = []): Promise<void> {
    await this.spawn(flags);
    const answers = async () => !this.running || (await connects(this.socketPath));
    await eventually(`${this.name} on ${this.host.name} answers`, answers, {
      timeoutMs: START_TIMEOUT_MS,
      intervalMs: 20,
    });
    if (!this.running) throw new Error(`${this.name} on ${this.host.name} ended: ${this.process.logTail()}`);
  }

  async stop(): Promise<void> {
    await this.process.stop();
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    await this.process.crash();
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** Ends it without ceremony, if it runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.running) await this.kill();
  }

  /** Runs a netd command, such as `['status', '--json']`, whatever its exit status. */
  async exec(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return this.host.exec(this.#command(args), options);
  }

  /** Standard output of a netd command that must exit with 0. */
  async run(args: readonly string[], options: CommandOptions = {}): Promise<string> {
    return this.host.run(this.#command(args), options);
  }

  /** `netd join` with the worker's token; the daemon must run. */
  async join(swarm: Swarm, flags: readonly string[] = []): Promise<void> {
    const address = ['--advertise-addr', this.host.address];
    await this.run(['join', '--token', swarm.tokens.worker, ...address, ...flags, swarm.address]);
  }

  log(): string {
    return this.process.log();
  }

  #command(args: readonly string[]): readonly string[] {
    return [...NETD_COMMAND, ...args, '--run-dir', this.runDir];
  }
}

/** Whether a server listens on the unix socket (a daemon that was killed leaves its file behind). */
async function connects(path: string): Promise<true> {
  const socket = connect(path);
  await once(socket, 'connect');
  socket.destroy();
  return true;
}

/** Starts netd on the host and waits until it answers. */
export async function startNetd(host: Host, options: NetdOptions = {}): Promise<Netd> {
  const netd = new Netd(host, options);
  await netd.start();
  return netd;
}
