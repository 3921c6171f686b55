import type Docker from 'dockerode';
import type { Host } from '#test/hosts/host.ts';
import { BUSYBOX } from '#test/hosts/image.ts';

/** Services as the benchmarks make them: on one node, on the host's network or an overlay, image there already. */

const HOST_NETWORK = 'host';
const POLL_MS = 5;
const PATIENCE_MS = 120_000;
const ENGINE_PATIENCE_MS = 20_000;

/** Creates a service and waits until the manager shows that many tasks RUNNING. Returns milliseconds from the request on. */
export async function createService(
  manager: Host,
  name: string,
  on: Host,
  replicas: number,
  network = HOST_NETWORK,
): Promise<number> {
  const api = manager.engine.api();
  const startedMs = performance.now();
  await api.createService(serviceSpec(name, on, replicas, network));
  await until(api, name, on, async () => (await running(api, name)) === replicas);
  return performance.now() - startedMs;
}

/** Scales and waits until the manager shows that many RUNNING, and no other task that is not over. */
export async function scaleService(manager: Host, name: string, on: Host, replicas: number): Promise<number> {
  const api = manager.engine.api();
  const service = api.getService(name);
  const { Spec, Version } = (await service.inspect()) as {
    Spec: ReturnType<typeof serviceSpec>;
    Version: { Index: number };
  };
  const startedMs = performance.now();
  await service.update({ ...Spec, version: Version.Index, Mode: { Replicated: { Replicas: replicas } } });
  const done = async () => (await running(api, name)) === replicas && (await lingering(api, name, replicas)) === 0;
  await until(api, name, on, done);
  return performance.now() - startedMs;
}

export async function removeService(manager: Host, name: string, on: Host): Promise<void> {
  await manager.docker('service', 'rm', name);
  const filter = ['--filter', `label=com.docker.swarm.service.name=${name}`];
  await until(
    manager.engine.api(),
    name,
    on,
    async () => (await on.docker('ps', '--all', '--quiet', ...filter)) === '',
  );
}

function serviceSpec(name: string, on: Host, replicas: number, network: string) {
  return {
    Name: name,
    TaskTemplate: {
      ContainerSpec: { Image: BUSYBOX, Command: ['sleep', '100000'], StopSignal: 'SIGKILL' },
      Placement: { Constraints: [`node.hostname==${on.name}`] },
      Networks: [{ Target: network }],
    },
    Mode: { Replicated: { Replicas: replicas } },
    // A virtual address needs IPVS on Docker's nodes, which not every kernel has.
    ...(network === HOST_NETWORK ? {} : { EndpointSpec: { Mode: 'dnsrr' } }),
  };
}

interface TaskRow {
  readonly Status: { readonly State: string; readonly Err?: string };
  readonly DesiredState: string;
}

async function tasksOf(api: Docker, name: string): Promise<readonly TaskRow[]> {
  return (await api.listTasks({ filters: { service: [name] } })) as readonly TaskRow[];
}

async function running(api: Docker, name: string): Promise<number> {
  return (await tasksOf(api, name)).filter((task) => task.Status.State === 'running' && task.DesiredState === 'running')
    .length;
}

const OVER = ['complete', 'shutdown', 'failed', 'rejected', 'orphaned'];

/** Tasks beyond the wanted ones that are not over; scaled to nothing, every task is one too many. */
async function lingering(api: Docker, name: string, replicas: number): Promise<number> {
  const tasks = await tasksOf(api, name);
  const counted = replicas === 0 ? tasks : tasks.filter((task) => !OVER.includes(task.Status.State));
  return counted.length - replicas;
}

async function until(api: Docker, name: string, on: Host, check: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  while (!(await check())) {
    if (performance.now() > deadlineMs) {
      const engine = (await answers(on)) ? 'answers' : 'is locked up (Docker 20.10 can be: moby/libnetwork#2679)';
      const tasks = census(await tasksOf(api, name));
      throw new Error(
        `not within ${PATIENCE_MS / 1000} s; the engine of ${on.name} ${engine}; tasks of ${name}: ${tasks}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Whether the host's engine tells of itself: one that has locked up does not, though it goes on taking calls. */
async function answers(on: Host): Promise<boolean> {
  const asked = on.engine.api().info();
  asked.catch(() => {}); // ends with its engine
  const patience = new Promise<false>((resolve) => setTimeout(() => resolve(false), ENGINE_PATIENCE_MS).unref());
  return (await Promise.race([asked, patience])) !== false;
}

/** How many tasks are in which state. */
function census(tasks: readonly TaskRow[]): string {
  const counts = new Map<string, number>();
  for (const { Status, DesiredState } of tasks) {
    const kind = `${Status.State} (wanted: ${DesiredState}) ${Status.Err ?? ''}`.trim();
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return [...counts].map(([kind, count]) => `${count} ${kind}`).join(', ') || 'none';
}
