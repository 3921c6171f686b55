import { join } from 'node:path';
import { type CommandOptions, type CommandResult, outputOf, runCommand } from './command.ts';
import { HostProcess } from './host-process.ts';

/** What a host's processes run with: nothing of the caller's environment (a proxy setting, say) gets in. */
const HOST_ENV = {
  PATH: '/opt/netd/node_modules/.bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  LANG: 'C.UTF-8',
  // Half of what a start of netd from its sources costs is reading them. All hosts share it: see host-init.sh.
  NODE_COMPILE_CACHE: '/opt/netd/node_modules/.cache/node',
  ...(process.env.NETD_TESTBED_GOGC !== undefined && { GOGC: process.env.NETD_TESTBED_GOGC }),
};

/**
 * The variable by which `reap.sh` knows the processes of a bed, also those outside its hosts: nsenter(1) stops when its command
 * is stopped, and does not see the end of the host then. Not called NETD_…: netd would say that it does not know it.
 */
export function bedMark(bedId: string): Readonly<Record<string, string>> {
  return { TESTBED_ID: bedId };
}

/** Runs things inside the namespaces of a host. */
export class Shell {
  /** Host name. */
  readonly name: string;
  /** The host's init process, as this machine counts. */
  readonly pid: number;
  readonly #logDirectory: string;
  readonly #env: Readonly<Record<string, string>>;

  constructor(name: string, pid: number, logDirectory: string, bedId: string) {
    this.name = name;
    this.pid = pid;
    this.#logDirectory = logDirectory;
    this.#env = { ...HOST_ENV, ...bedMark(bedId) };
  }

  /**
   * Runs a command to its end, whatever its exit status.
   *
   * @throws Error when it took too long (60 s unless told otherwise) or the signal aborted it.
   */
  async exec(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return runCommand(this.#enter(argv), { ...options, baseEnv: this.#env });
  }

  /** Standard output, without the last newline, of a command that must exit with 0. @throws Error with its standard error. */
  async run(argv: readonly string[], options: CommandOptions = {}): Promise<string> {
    return outputOf([`${this.name}:`, ...argv], await this.exec(argv, options));
  }

  /** The same as `exec` in a container of the host, by the number its first process has on the host. */
  async execIn(pid: number, argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    const kinds = { mount: 'mnt', pid: 'pid', net: 'net', uts: 'uts', ipc: 'ipc' };
    const namespaces = Object.entries(kinds).map(([flag, kind]) => `--${flag}=${this.path(`/proc/${pid}/ns/${kind}`)}`);
    return runCommand(['nsenter', ...namespaces, '--', ...argv], { ...options, baseEnv: this.#env });
  }

  /** Starts a daemon; its output is appended to the log file of that name. */
  async spawn(name: string, argv: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<HostProcess> {
    return HostProcess.start(name, this.#enter(argv), { ...this.#env, ...env }, this.logPath(name));
  }

  /**
   * Where a file of the host is found from outside, for reading, writing, and connecting to unix sockets. `path` must not
   * lead through an absolute symbolic link (`/var/run` is one: say `/run`).
   */
  path(path: string): string {
    return join(`/proc/${this.pid}/root`, path);
  }

  logPath(name: string): string {
    return join(this.#logDirectory, `${this.name}-${name}.log`);
  }

  #enter(argv: readonly string[]): readonly string[] {
    const namespaces = ['--mount', '--pid', '--net', '--uts', '--ipc'];
    return ['nsenter', `--target=${this.pid}`, ...namespaces, '--', ...argv];
  }
}
