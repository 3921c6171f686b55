import type Docker from 'dockerode';
import type { Host } from '#test/hosts/host.ts';
import { patiently } from './patiently.ts';

export const TASK_ID_LABEL = 'com.docker.swarm.task.id';
export const SERVICE_NAME_LABEL = 'com.docker.swarm.service.name';

/** The containers a host has for a service, running or not. */
export async function containersOf(host: Host, service: string): Promise<readonly Docker.ContainerInfo[]> {
  const filters = { label: [`${SERVICE_NAME_LABEL}=${service}`] };
  return host.engine.api().listContainers({ all: true, filters });
}

/** What the engine says of a task's container. */
export async function containerOfTask(host: Host, taskId: string): Promise<Docker.ContainerInspectInfo> {
  const filters = { label: [`${TASK_ID_LABEL}=${taskId}`] };
  const [found, second] = await host.engine.api().listContainers({ all: true, filters });
  if (found === undefined) throw new Error(`${host.name} has no container for the task ${taskId}`);
  if (second !== undefined) throw new Error(`${host.name} has two containers for the task ${taskId}`);
  return host.engine.api().getContainer(found.Id).inspect();
}

/** Runs a shell script in the container. Returns what it prints. */
export async function inContainer(host: Host, id: string, script: string): Promise<string> {
  return host.docker('exec', id, 'sh', '-c', script);
}

const KILLED = 137;

/** Lets a container go on that waits for /go. It may end before the command does, which is then killed with it. */
export async function letGo(host: Host, id: string): Promise<void> {
  const argv = ['docker', 'exec', id, 'touch', '/go'];
  const { exitCode, stderr } = await host.exec(argv);
  if (exitCode !== 0 && exitCode !== KILLED) throw new Error(`${argv.join(' ')}: ${exitCode}: ${stderr}`);
}

/** Waits until no container of the service is left on the host. */
export async function noContainersOf(host: Host, service: string): Promise<void> {
  await patiently(
    `no container of ${service} on ${host.name}`,
    async () => (await containersOf(host, service)).length === 0,
  );
}
