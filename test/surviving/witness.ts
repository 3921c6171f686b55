import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { nodeIdOf, problemCodes, ready, statesSince, statusWith } from '#test/conformance/both-sides.ts';
import type { Services } from '#test/conformance/services.ts';
import type { SwarmTask } from '#test/conformance/swarm-task.ts';
import { TASK_ID_LABEL } from '#test/conformance/worker-containers.ts';
import type { Host } from '#test/hosts/host.ts';
import type { Netd } from '#test/hosts/netd.ts';

/** The parts of a container's life that change when somebody lays a hand on it. */
interface Life {
  readonly startedAt: string;
  readonly pid: number;
  readonly restarts: number;
  readonly status: string;
}

/** The lives of a host's containers of tasks, by container id. */
export async function livesOn(host: Host): Promise<Readonly<Record<string, Life>>> {
  const api = host.engine.api();
  const containers = await api.listContainers({ all: true, filters: { label: [TASK_ID_LABEL] } });
  const lives = containers.map(async ({ Id }) => {
    const { State, RestartCount } = await api.getContainer(Id).inspect();
    const life = { startedAt: State.StartedAt, pid: State.Pid, restarts: RestartCount, status: State.Status };
    return [Id, life] as const;
  });
  return Object.fromEntries(await Promise.all(lives));
}

/** Everything the engine did to containers since then (milliseconds since the epoch), as its events tell. */
async function touchesSince(host: Host, sinceMs: number): Promise<readonly string[]> {
  const range = ['--since', `${sinceMs / 1000}`, '--until', `${(Date.now() + 1000) / 1000}`];
  const format = '{{.Action}} {{.Actor.ID}}';
  const events = await host.docker('events', ...range, '--filter', 'type=container', '--format', format);
  return events === '' ? [] : events.split('\n');
}

/** Takes down how things are now; the function then finds that nothing of it is another. */
export async function nothingChanges(node: Netd, services: Services, service: string): Promise<() => Promise<void>> {
  await statusWith(node, 'has told everything', ({ outbox }) => outbox.pending === 0);
  const before = await witness(node, services, service);
  const began = Date.now();
  return async () => {
    await ready(node);
    await statusWith(node, 'has told everything again', ({ outbox }) => outbox.pending === 0);
    expect(await witness(node, services, service)).toEqual(before);
    expect(await touchesSince(node.host, began)).toEqual([]);
    expect(await statesSince(services.manager, before.node, began)).toEqual([]);
  };
}

async function witness(node: Netd, services: Services, service: string) {
  return {
    node: await nodeIdOf(node),
    session: sessionOf(node),
    lives: await livesOn(node.host),
    tasks: await services.tasks(service),
  };
}

/** What stands for the session's id: enough to see whether it is the same. */
function sessionOf(node: Netd): string {
  return createHash('sha256')
    .update(readFileSync(node.host.path(`${node.runDir}/session.json`)))
    .digest('hex');
}

/** That no host has two containers for one task, and no two of the running tasks share a slot. */
export async function expectNoDuplicates(hosts: readonly Host[], tasks: readonly SwarmTask[]): Promise<void> {
  const found = await Promise.all(
    hosts.map((host) => host.engine.api().listContainers({ all: true, filters: { label: [TASK_ID_LABEL] } })),
  );
  const taskIds = found.flat().map(({ Labels }) => Labels[TASK_ID_LABEL]);
  expect(taskIds).toHaveLength(new Set(taskIds).size);
  const slots = tasks.filter(({ state }) => state === 'running').map(({ slot }) => slot);
  expect(slots).toHaveLength(new Set(slots).size);
}

/** Waits until the node names, or no longer names, a problem in its status. */
export async function problemNamed(node: Netd, code: string, named = true): Promise<void> {
  await statusWith(
    node,
    `${named ? 'names' : 'no longer names'} ${code}`,
    (status) => problemCodes(status).includes(code) === named,
    { timeoutMs: 90_000, intervalMs: 100 },
  );
}
