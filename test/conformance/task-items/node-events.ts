import { describe, expect, test } from 'vitest';
import type { Host } from '#test/hosts/host.ts';
import { item } from '../items.ts';
import { patiently } from '../patiently.ts';
import { RUN_ON, WAIT_FOR_GO } from '../services.ts';
import type { SwarmTask } from '../swarm-task.ts';
import type { TaskBed } from '../task-bed.ts';
import {
  containerOfTask,
  containersOf,
  inContainer,
  letGo,
  noContainersOf,
  TASK_ID_LABEL,
} from '../worker-containers.ts';

/** What happens to tasks when something happens to their node. */
export function nodeEventItems(bed: () => TaskBed): void {
  describe('on a node of their own', { concurrent: false }, () => {
    test(item(29), async () => {
      const { services, w2 } = bed();
      await Promise.all([
        services.create('pinned', RUN_ON, ['--replicas', '2'], { on: 'w2' }),
        services.create('global', RUN_ON, ['--mode', 'global'], { on: 'w2' }),
      ]);
      const [pinned, [global]] = await Promise.all([services.running('pinned', 2), services.running('global')]);
      await setAvailability(services.manager, 'drain');
      for (const { id } of [...pinned, ...(global ? [global] : [])]) {
        const told = await patiently('the task is down', async () => {
          const task = await services.task(id);
          return task.state === 'shutdown' && task;
        });
        expect(told).toMatchObject({ message: 'shutdown', err: '', exitCode: 0 });
      }
      expect(await w2.host.docker('ps', '--quiet')).toBe('');
      const waiting = await services.when('pinned', 'wait for a node', (tasks) => {
        const pending = tasks.filter(({ state }) => state === 'pending');
        return pending.length === 2 && pending;
      });
      await setAvailability(services.manager, 'active');
      const back = await services.running('pinned', 2);
      expect(back.map(({ id }) => id).sort()).toEqual(waiting.map(({ id }) => id).sort());
      expect(await services.runningTask('global')).not.toMatchObject({ id: global?.id });
      await services.remove('pinned', 'global');
      await Promise.all(['pinned', 'global'].map((name) => noContainersOf(w2.host, name)));
    });

    test(item(46), async () => {
      const { services, w2 } = bed();
      await services.create('steady', RUN_ON, ['--replicas', '2'], { on: 'w2' });
      await services.create('brief', `${WAIT_FOR_GO}; exit 4`, ['--restart-condition', 'none'], { on: 'w2' });
      const [steady, brief] = await Promise.all([services.running('steady', 2), services.runningTask('brief')]);
      const before = await startedAt(w2.host, 'steady');
      await w2.kill();
      await letGo(w2.host, brief.containerId);
      await w2.host.docker('wait', brief.containerId);
      await w2.start();
      const failed = await services.first('brief', 'failed');
      expect(failed).toMatchObject({ id: brief.id, exitCode: 4, err: 'task: non-zero exit (4)' });
      // Times may move by the second that the state on disk may lag behind.
      const untimed = (tasks: readonly SwarmTask[]) => tasks.map((task) => ({ ...task, stateMs: 0 }));
      expect(untimed(await services.running('steady', 2))).toEqual(untimed(steady));
      expect(await startedAt(w2.host, 'steady')).toEqual(before);
      const all = await w2.host.engine.api().listContainers({ all: true });
      const ofTasks = all.map(({ Labels }) => Labels[TASK_ID_LABEL]);
      expect(new Set(ofTasks).size).toBe(ofTasks.length);
      expect(await inContainer(w2.host, steady[0]?.containerId ?? '', 'echo alive')).toBe('alive');
    });
  });
}

async function setAvailability(manager: Host, availability: string): Promise<void> {
  await manager.docker('node', 'update', '--availability', availability, 'w2');
}

/** When the containers of a service were started, by their ids. */
async function startedAt(host: Host, service: string): Promise<Readonly<Record<string, string>>> {
  const containers = await containersOf(host, service);
  const times = containers.map(async ({ Id, Labels }) => {
    const { State } = await containerOfTask(host, Labels[TASK_ID_LABEL] ?? '');
    return [Id, State.StartedAt] as const;
  });
  return Object.fromEntries(await Promise.all(times));
}
