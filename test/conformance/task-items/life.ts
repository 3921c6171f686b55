import { expect, test } from 'vitest';
import { item } from '../items.ts';
import { patiently } from '../patiently.ts';
import { RUN_ON, WAIT_FOR_GO } from '../services.ts';
import type { SwarmTask } from '../swarm-task.ts';
import type { TaskBed } from '../task-bed.ts';
import { containerOfTask, containersOf, inContainer, letGo } from '../worker-containers.ts';

const LADDER = ['new', 'pending', 'assigned', 'accepted', 'preparing', 'ready', 'starting', 'running'];
const NEVER_AGAIN = ['--restart-condition', 'none'];

/** What one task goes through from its creation to its end. */
export function lifeItems(bed: () => TaskBed): void {
  test(item(18), async () => {
    const { services, w1 } = bed();
    await services.create('ladder', RUN_ON, ['--replicas', '3'], { on: 'w1' });
    const seen = new Map<string, string[]>();
    const running = await services.when(
      'ladder',
      '3 running',
      (tasks) => {
        for (const { id, state } of tasks) {
          const states = seen.get(id) ?? [];
          if (states.at(-1) !== state) seen.set(id, [...states, state]);
        }
        return tasks.length === 3 && tasks.every(({ state }) => state === 'running') && tasks;
      },
      { intervalMs: 5 },
    );
    const node = await services.manager.docker('node', 'inspect', '--format', '{{.ID}}', 'w1');
    const service = await services.manager.docker('service', 'inspect', '--format', '{{.ID}}', 'ladder');
    for (const { id, slot } of running) {
      // Statuses on their way to the manager overtake older ones, so it may see less than all; the node tells all.
      expect(seen.get(id)).toEqual(LADDER.filter((state) => seen.get(id)?.includes(state)));
      expect(await statesTold(w1.log(), id)).toEqual(LADDER.slice(3));
      const name = `ladder.${slot}.${id}`;
      const { Name, Config } = await containerOfTask(w1.host, id);
      expect(Name).toBe(`/${name}`);
      expect(Config.Labels).toEqual({
        'com.docker.swarm.task': '',
        'com.docker.swarm.task.id': id,
        'com.docker.swarm.task.name': name,
        'com.docker.swarm.node.id': node,
        'com.docker.swarm.service.id': service,
        'com.docker.swarm.service.name': 'ladder',
      });
    }
    expect(running.map(({ slot }) => slot).sort()).toEqual([1, 2, 3]);
  });

  test(item(21), async () => {
    const { services, w1 } = bed();
    await services.create('exit-3', `${WAIT_FOR_GO}; exit 3`, NEVER_AGAIN, { on: 'w1' });
    const running = await services.runningTask('exit-3');
    const { Id, State } = await containerOfTask(w1.host, running.id);
    expect(running).toMatchObject({ containerId: Id, pid: State.Pid, exitCode: 0, err: '' });
    await letGo(w1.host, Id);
    const failed = await services.first('exit-3', 'failed');
    expect(failed).toMatchObject({ id: running.id, containerId: Id, exitCode: 3, err: 'task: non-zero exit (3)' });
    await services.when('exit-3', 'given up', ([task]) => task?.desired === 'shutdown');
    expect(await services.ps('exit-3', '{{.CurrentState}}|{{.Error}}')).toEqual([
      expect.stringMatching(/^Failed .* ago\|"task: non-zero exit \(3\)"$/),
    ]);
  });

  test(item(22), async () => {
    const { services } = bed();
    await services.create('exit-0', 'exit 0', NEVER_AGAIN, { on: 'w1' });
    const complete = await services.first('exit-0', 'complete');
    expect(complete).toMatchObject({ message: 'finished', err: '', exitCode: 0 });
    await services.when('exit-0', 'given up', ([task]) => task?.desired === 'shutdown');
    expect(await services.tasks('exit-0')).toHaveLength(1);
  });

  test(item(23), async () => {
    const { services } = bed();
    const once = '[ -e /v/ran ] && exec sleep 100000; touch /v/ran; exit 1';
    const flags = [
      '--restart-delay',
      '20s',
      '--stop-grace-period',
      '1s',
      '--mount',
      'type=volume,source=once,target=/v',
    ];
    await services.create('delayed', once, flags, { on: 'w1' });
    const ready = await services.when(
      'delayed',
      'replacement ready',
      ([, second]) => second?.state === 'ready' && second,
    );
    expect(ready.desired).toBe('ready');
    const running = await services.when('delayed', 'running', ([, second]) => second?.state === 'running' && second);
    // The manager counts from the moment it makes the replacement; how soon that is Ready is the host's affair.
    const waitedMs = running.stateMs - running.createdMs;
    expect(waitedMs).toBeGreaterThan(20_000);
    expect(waitedMs).toBeLessThan(45_000);
  });

  test(item(28), async () => {
    const { services, w1 } = bed();
    const count = 'n=$(cat /v/n 2>/dev/null || echo 0); [ $n = 8 ] && { trap "exit 0" TERM; sleep 100000 & wait; }; ';
    const flags = ['--restart-delay', '100ms', '--mount', 'type=volume,source=count,target=/v'];
    await services.create('failing', `${count} echo $((n + 1)) >/v/n; exit 1`, flags, { on: 'w1' });
    await patiently('the ninth runs on', async () => {
      const { containerId } = await services.runningTask('failing');
      return (await inContainer(w1.host, containerId, 'cat /v/n')) === '8';
    });
    await patiently('the worker has the containers of the tasks in the history, and no other', async () => {
      const [rows, tasks, containers] = await Promise.all([
        services.ps('failing', '{{.ID}}'),
        services.tasks('failing'),
        containersOf(w1.host, 'failing'),
      ]);
      const ids = tasks.map(({ containerId }) => containerId).sort();
      return (
        rows.length <= 5 &&
        ids.join() ===
          containers
            .map(({ Id }) => Id)
            .sort()
            .join()
      );
    });
  });

  test(item(31, 'replicated job'), async () => {
    await runJobTwice(bed(), 'job', ['--mode', 'replicated-job', '--replicas', '2'], 2);
  });

  test(item(31, 'global job'), async () => {
    await runJobTwice(bed(), 'everywhere-job', ['--mode', 'global-job'], 1);
  });

  test(item(51), async () => {
    const { services } = bed();
    await services.create('relative', RUN_ON, [...NEVER_AGAIN, '--mount', 'type=volume,source=v,target=x'], {
      on: 'w1',
    });
    const rejected = await services.first('relative', 'rejected');
    expect(rejected).toMatchObject({
      message: 'resolving controller failed',
      err: 'invalid mount target, must be an absolute path: x',
      containerId: '',
    });
  });
}

async function runJobTwice({ services, w1 }: TaskBed, name: string, mode: readonly string[], count: number) {
  const complete = (iteration: number) =>
    services.when(name, `run ${iteration} complete`, (tasks) => {
      const run = tasks.filter(({ jobIteration }) => jobIteration === iteration);
      return run.length === count && run.every(({ state }) => state === 'complete') && run;
    });
  await services.create(name, 'echo done', mode, { on: 'w1' });
  const first = await complete(0);
  const state = await containerOfTask(w1.host, first[0]?.id ?? '');
  expect(state.State).toMatchObject({ Status: 'exited', ExitCode: 0 });
  await services.update(name, '--force');
  const second = await complete(1);
  const known = first.map(({ id }) => id);
  expect(second.filter(({ id }) => known.includes(id))).toEqual([]);
  // Complete is the end: nothing of a run comes after it.
  const perRun = (tasks: readonly SwarmTask[], run: number) => tasks.filter(({ jobIteration }) => jobIteration === run);
  const tasks = await services.tasks(name);
  expect(perRun(tasks, 1)).toHaveLength(count);
  expect(perRun(tasks, 0).filter(({ id }) => !known.includes(id))).toEqual([]);
}

/** The states of a task in the order the agent's log tells them. */
async function statesTold(log: string, taskId: string): Promise<readonly string[]> {
  return log
    .split('\n')
    .filter((line) => line.includes(taskId) && line.includes('"task moved"'))
    .map((line) => String((JSON.parse(line) as { readonly state: unknown }).state).toLowerCase());
}
