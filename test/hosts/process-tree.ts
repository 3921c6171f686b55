import { existsSync, readdirSync, readFileSync } from 'node:fs';

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

/** All process numbers there are now. */
export function allProcesses(): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** The processes whose parent is `pid`. (/proc/PID/task/TID/children would be cheaper; not every kernel has it.) */
export function childrenOf(pid: number): readonly number[] {
  return allProcesses().filter((candidate) => processFacts(candidate)?.parent === pid);
}

/** How many numbers after that of a process its first child may have got, when others start processes too. */
const NEAR = 64;

/**
 * A child of `pid` among the numbers given next. Process numbers are given in order, so a child that was made at once is
 * nearly always there, and to look at a thousand processes instead takes a core some 20 ms.
 */
export function nearChildOf(pid: number): number | undefined {
  for (let near = pid + 1; near <= pid + NEAR; near++) {
    if (existsSync(`/proc/${near}`) && processFacts(near)?.parent === pid) return near;
  }
  return undefined;
}

/** The child of `pid` that was started first; process numbers do not tell, they begin anew after the highest. */
export function oldestChildOf(pid: number): number | undefined {
  const startTicks = (child: number) => Number(processFacts(child)?.startTicks ?? Number.POSITIVE_INFINITY);
  return childrenOf(pid).toSorted((a, b) => startTicks(a) - startTicks(b))[0];
}

/** Kills a process and its descendants, youngest first: nsenter(1) stands for its child, and killing it alone leaves that. */
export function killTree(pid: number): void {
  for (const child of childrenOf(pid)) killTree(child);
  sendSignal(pid, 'SIGKILL');
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
