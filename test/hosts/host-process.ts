import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { eventually } from './eventually.ts';
import { childrenOf, nearChildOf, processFacts, sendSignal } from './process-tree.ts';

export interface ProcessEnd {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** The number of a process that was gone before it could be seen; no process has it. */
const GONE_PID = 0;

/** Of so many looks for the process, one is among all there are. */
const LOOKS_NEAR = 20;

/** A daemon inside a test host. */
export class HostProcess {
  readonly name: string;
  /** Process number as this machine counts: `/proc/PID/status` gives memory, `stat` CPU time. */
  readonly pid: number;
  /** Resolves when the process has ended; never rejects. */
  readonly ended: Promise<ProcessEnd>;
  readonly logPath: string;
  #end: ProcessEnd | undefined;

  private constructor(name: string, pid: number, ended: Promise<ProcessEnd>, logPath: string) {
    this.name = name;
    this.pid = pid;
    this.logPath = logPath;
    this.ended = ended;
    void ended.then((end) => {
      this.#end = end;
    });
  }

  /**
   * Starts `argv`, an nsenter(1) command line, with its output appended to `logPath`. It may end at any moment, also before
   * this returns.
   */
  static async start(
    name: string,
    argv: readonly string[],
    env: Readonly<Record<string, string>>,
    logPath: string,
  ): Promise<HostProcess> {
    const log = openSync(logPath, 'a');
    const [file = '', ...args] = argv;
    const entering = spawn(file, args, { env, stdio: ['ignore', log, log], detached: true });
    closeSync(log);
    const ended = endOf(entering);
    let gone = false;
    void ended.then(() => {
      gone = true;
    });
    let looks = 0;
    const pid = await eventually(
      `${name} started`,
      () => {
        if (gone || entering.pid === undefined) return GONE_PID;
        return nearChildOf(entering.pid) ?? (++looks % LOOKS_NEAR === 0 ? childrenOf(entering.pid)[0] : undefined);
      },
      { timeoutMs: 30_000, intervalMs: 2 },
    );
    return new HostProcess(name, pid, ended, logPath);
  }

  /** How it ended; undefined while it runs. */
  get end(): ProcessEnd | undefined {
    return this.#end;
  }

  get running(): boolean {
    return this.#end === undefined;
  }

  kill(signal: NodeJS.Signals): void {
    // Number 0 would mean the whole process group of this process (kill(2)).
    if (this.running && this.pid !== GONE_PID) sendSignal(this.pid, signal);
  }

  /** SIGSTOP. The function lets the process go on: by way of its parent, nsenter(1), which has stopped as well. */
  pause(): () => void {
    const parent = processFacts(this.pid)?.parent ?? this.pid;
    this.kill('SIGSTOP');
    return () => sendSignal(parent, 'SIGCONT');
  }

  /** Asks it to end, insists with SIGKILL after `graceMs`, and waits until it is gone. */
  async stop(graceMs = 15_000): Promise<ProcessEnd> {
    this.kill('SIGTERM');
    const timer = setTimeout(() => this.kill('SIGKILL'), graceMs);
    const end = await this.ended;
    clearTimeout(timer);
    return end;
  }

  /** SIGKILL, and waits until it is gone. */
  async crash(): Promise<void> {
    this.kill('SIGKILL');
    await this.ended;
  }

  /** Everything it (and earlier processes of that name on the host) wrote to standard output and error. */
  log(): string {
    return readFileSync(this.logPath, 'utf8');
  }

  /** The last lines of the log, for error messages. */
  logTail(): string {
    return tail(this.logPath);
  }
}

function endOf(child: ChildProcess): Promise<ProcessEnd> {
  return new Promise((resolve) => {
    child.once('error', () => resolve({ exitCode: 127, signal: null }));
    child.once('exit', (exitCode, signal) => resolve({ exitCode, signal }));
  });
}

const TAIL_LINES = 15;

function tail(path: string): string {
  return readFileSync(path, 'utf8').trimEnd().split('\n').slice(-TAIL_LINES).join('\n');
}
