import { expect, test } from 'vitest';
import type { Host } from '#test/hosts/host.ts';
import { item } from '../items.ts';
import { patiently } from '../patiently.ts';
import { RUN_ON } from '../services.ts';
import { BUSYBOX_2, type TaskBed } from '../task-bed.ts';
import { containerOfTask, containersOf, inContainer, noContainersOf } from '../worker-containers.ts';

/** How a task makes room for another, or for nothing. */
export function replacingItems(bed: () => TaskBed): void {
  test(item(24), async () => {
    const { services, w1 } = bed();
    const probe = ['--health-cmd', 'test -e /healthy', '--health-interval', '200ms', '--health-timeout', '20s'];
    const flags = [...probe, '--health-retries', '1', '--health-start-period', '300s', '--restart-condition', 'none'];
    await services.create('checked', 'trap "exit 7" TERM; sleep 100000 & wait', flags, { on: 'w1' });
    const { id } = await services.first('checked', 'starting');
    const container = await patiently('a probe has failed', async () => {
      const inspect = await containerOfTask(w1.host, id);
      const health = inspect.State.Health;
      return health !== undefined && health.Log.length > 0 && inspect;
    });
    expect(container.State.Health?.Status).toBe('starting');
    expect(await services.task(id)).toMatchObject({ state: 'starting', containerId: container.Id });
    await inContainer(w1.host, container.Id, 'touch /healthy');
    expect(await services.first('checked', 'running')).toMatchObject({ id });
    await inContainer(w1.host, container.Id, 'rm /healthy');
    const failed = await services.first('checked', 'failed');
    expect(failed).toMatchObject({ id, exitCode: 7, err: 'task: non-zero exit (7): dockerexec: unhealthy container' });
  });

  test(item(25, 'start-first'), async () => {
    const { oldEnd, newStart } = await updated(bed(), 'start-first');
    expect(newStart).toBeLessThan(oldEnd);
  });

  test(item(25, 'stop-first'), async () => {
    const { oldEnd, newStart } = await updated(bed(), 'stop-first');
    expect(oldEnd).toBeLessThan(newStart);
  });

  test(item(26), async () => {
    const { services, w1 } = bed();
    const deaf = 'trap "" TERM; touch /deaf; while :; do sleep 0.2; done';
    await services.create('deaf', deaf, ['--stop-grace-period', '2s'], { on: 'w1' });
    const task = await services.runningTask('deaf');
    await patiently('it ignores the signal', async () => {
      await inContainer(w1.host, task.containerId, 'test -e /deaf');
      return true;
    });
    await services.update('deaf', '--force');
    const stopped = await services.first('deaf', 'shutdown');
    expect(stopped).toMatchObject({ id: task.id, exitCode: 137, err: '', message: 'shutdown' });
    const kills = await killsOf(w1.host, task.containerId);
    expect(kills.map(({ signal }) => signal)).toEqual(['15', '9']);
    const graceMs = (kills[1]?.ms ?? 0) - (kills[0]?.ms ?? 0);
    expect(graceMs).toBeGreaterThanOrEqual(1950);
    expect(graceMs).toBeLessThan(6000);
    await services.remove('deaf');
  });

  test(item(27), async () => {
    const { services, w1 } = bed();
    await services.create('shrinking', RUN_ON, ['--replicas', '3'], { on: 'w1' });
    await services.running('shrinking', 3);
    await services.manager.docker('service', 'scale', '--detach', 'shrinking=1');
    await patiently('one row and one container are left', async () => {
      const [rows, containers] = await Promise.all([
        services.ps('shrinking', '{{.CurrentState}}'),
        containersOf(w1.host, 'shrinking'),
      ]);
      return rows.length === 1 && rows[0]?.startsWith('Running') && containers.length === 1;
    });
    await services.remove('shrinking');
    await noContainersOf(w1.host, 'shrinking');
  });
}

/** Updates a service to another image in that order. Times are the engine's, in milliseconds. */
async function updated({ services, w1 }: TaskBed, order: 'start-first' | 'stop-first') {
  await services.create(order, RUN_ON, [], { on: 'w1' });
  const before = await services.runningTask(order);
  await services.update(order, '--image', BUSYBOX_2, '--update-order', order, '--update-monitor', '1s');
  const [old, now] = await services.when(order, 'updated', ([first, second]) => {
    const over = first?.state === 'shutdown' && second?.state === 'running';
    return over && ([first, second] as const);
  });
  expect(old).toMatchObject({ id: before.id, containerId: before.containerId, exitCode: 0, err: '' });
  const [oldContainer, newContainer] = await Promise.all([
    containerOfTask(w1.host, old.id),
    containerOfTask(w1.host, now.id),
  ]);
  expect(newContainer.Config.Image).toBe(BUSYBOX_2);
  expect(newContainer.Config.Env).toContain('IMAGE=2');
  const state = '{{.UpdateStatus.State}}';
  const over = async () =>
    (await services.manager.docker('service', 'inspect', '--format', state, order)) === 'completed';
  await patiently('the update is over', over);
  return { oldEnd: Date.parse(oldContainer.State.FinishedAt), newStart: Date.parse(newContainer.State.StartedAt) };
}

/** The signals a container was sent, in order. */
async function killsOf(host: Host, containerId: string): Promise<readonly { signal: string; ms: number }[]> {
  const format = '{{.TimeNano}} {{.Actor.Attributes.signal}}';
  const filters = ['--filter', `container=${containerId}`, '--filter', 'event=kill'];
  const until = String(Math.ceil(Date.now() / 1000));
  const events = await host.docker('events', '--since', '0', '--until', until, ...filters, '--format', format);
  return events.split('\n').map((line) => {
    const [nanoseconds = '', signal = ''] = line.split(' ');
    return { signal, ms: Number(BigInt(nanoseconds) / 1_000_000n) };
  });
}
