import { expect, test } from 'vitest';
import { listedAs, nodeIdOf, ready } from '#test/conformance/both-sides.ts';
import { patiently } from '#test/conformance/patiently.ts';
import { RUN_ON, WAIT_FOR_GO } from '#test/conformance/services.ts';
import { letGo } from '#test/conformance/worker-containers.ts';
import type { Survivors } from '../survivors.ts';
import { expectNoDuplicates, livesOn, nothingChanges, problemNamed } from '../witness.ts';

/** The manager cannot be reached, and then it can. */
export function networkEvents(survivors: () => Survivors): void {
  test('a manager out of reach for a minute: tasks go on, then are as the manager decides', async () => {
    const { services, worker } = survivors().strict;
    const node = await worker('cut-long');
    const nodeId = await nodeIdOf(node);
    await services.create('on-cut-long', RUN_ON, ['--replicas', '2'], { on: 'cut-long' });
    const before = await services.running('on-cut-long', 2);
    const lives = await livesOn(node.host);
    await node.host.linkDown();
    const began = Date.now();
    await problemNamed(node, 'manager-unreachable');
    await listedAs(services.manager, nodeId, 'down');
    await new Promise((resolve) => setTimeout(resolve, began + 60_000 - Date.now())); // it is about the minute
    expect(await livesOn(node.host)).toEqual(lives);
    await node.host.linkUp();
    await ready(node);
    const now = await services.running('on-cut-long', 2);
    for (const { id } of now) expect(before.map((task) => task.id)).not.toContain(id);
    await services.when('on-cut-long', 'the manager knows that the old tasks are down', (tasks) =>
      tasks.filter(({ id }) => before.some((task) => task.id === id)).every(({ state }) => state === 'shutdown'),
    );
    await patiently('the old containers are down', async () => {
      const running = Object.entries(await livesOn(node.host)).filter(([, { status }]) => status === 'running');
      return running.length === 2 && running.every(([id]) => !(id in lives));
    });
    await expectNoDuplicates([node.host], await services.tasks('on-cut-long'));
  });

  test('a manager out of reach within the grace: tasks go on, and what ended meanwhile is told', async () => {
    const { services, worker } = survivors().patient;
    const node = await worker('cut');
    await services.create('on-cut', RUN_ON, ['--replicas', '2'], { on: 'cut' });
    const flags = ['--restart-condition', 'none'];
    await services.create('ending-on-cut', `${WAIT_FOR_GO}; exit 9`, flags, { on: 'cut' });
    const [ending] = await Promise.all([services.runningTask('ending-on-cut'), services.running('on-cut', 2)]);
    const lives = await livesOn(node.host);
    await node.host.linkDown();
    await letGo(node.host, ending.containerId);
    await node.host.docker('wait', ending.containerId);
    const endedMs = Date.now();
    await node.host.linkUp();
    const failed = await services.first('ending-on-cut', 'failed');
    expect(failed).toMatchObject({ id: ending.id, exitCode: 9, err: 'task: non-zero exit (9)' });
    expect(failed.stateMs).toBeLessThan(endedMs + 5000);
    const after = await livesOn(node.host);
    expect(after).toEqual({ ...lives, [ending.containerId]: { ...after[ending.containerId], status: 'exited' } });
  });

  test('a node that is paused keeps its tasks and gets no more, until it is active', async () => {
    const { services, worker } = survivors().patient;
    const node = await worker('paused');
    await services.create('on-paused', RUN_ON, ['--replicas', '2'], { on: 'paused' });
    await services.running('on-paused', 2);
    const unchanged = await nothingChanges(node, services, 'on-paused');
    await services.manager.docker('node', 'update', '--availability', 'pause', 'paused');
    await services.create('waiting', RUN_ON, [], { on: 'paused' });
    await services.when('waiting', 'has no node', ([task]) => task?.state === 'pending' && task.err !== '');
    await unchanged();
    await services.manager.docker('node', 'update', '--availability', 'active', 'paused');
    await services.runningTask('waiting');
  });
}
