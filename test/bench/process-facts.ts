import { readFileSync } from 'node:fs';

/** Clock ticks a second in /proc/PID/stat (sysconf(3) _SC_CLK_TCK; 100 on every Linux that Node runs on). */
const TICKS_PER_S = 100;

/** Resident memory in MB, 10^6 bytes (proc(5), VmRSS, is in units of 1024), the pages of the executable included. */
export function residentMB(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return (Number(match?.[1]) * 1024) / 1e6;
}

/** CPU time used so far, in seconds, user and system together (proc(5), stat fields 14 and 15). */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
}
