import { readFileSync, readlinkSync } from 'node:fs';
import { eventually } from './eventually.ts';
import { allProcesses, sendSignal } from './process-tree.ts';

/**
 * Kills every process of a host but its init and the one init waits for, and waits until they are gone.
 *
 * Containers are found by their control group: they are in process namespaces of their own.
 */
export async function killAllButInit(initPid: number, initChild: number, cgroup: string): Promise<void> {
  const namespace = processNamespace(initPid);
  await eventually('the processes of the host are gone', () => {
    const alive = allProcesses()
      .filter((pid) => pid !== initPid && pid !== initChild)
      .filter((pid) => processNamespace(pid) === namespace || inControlGroup(pid, cgroup));
    for (const pid of alive) sendSignal(pid, 'SIGKILL');
    return alive.length === 0;
  });
}

function processNamespace(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return undefined;
  }
}

function inControlGroup(pid: number, cgroup: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(`:${cgroup}/`);
  } catch {
    return false;
  }
}
