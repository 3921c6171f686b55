import { readdirSync, readFileSync } from 'node:fs';

/** What proc(5) says of a process: its parent, and when it started (clock ticks since boot; tells a re-used number apart). */
export interface ProcessFacts {
  readonly parent: number;
  readonly startTicks: string;
}

/** Undefined when there is no such process any more. */
export function processFacts(pid: number): ProcessFacts | undefined {
  try {
    // The command name, in parentheses, may hold anything; the fields after the last one are numbers (proc_pid_stat(5)).
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { parent: Number(fields[1]), startTicks: fields[19] ?? '' };
  } catch {
    return undefined;
  }
}

/** The processes whose parent is `pid`. (/proc/PID/task/TID/children would be cheaper; not every kernel has it.) */
export function childrenOf(pid: number): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((candidate) => processFacts(candidate)?.parent === pid);
}

/** Kills a process that stands for its one child, as nsenter(1) does: the child first, for killing nsenter alone leaves it. */
export function killTree(pid: number): void {
  for (const target of [...childrenOf(pid), pid]) sendSignal(target, 'SIGKILL');
}

/** Sends a signal; false when the process is already gone. */
export function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}
