import { expect, test } from 'vitest';
import { inspectNode, listedAs, nodeIdOf, ready } from '#test/conformance/both-sides.ts';
import { patiently } from '#test/conformance/patiently.ts';
import { RUN_ON, type Services } from '#test/conformance/services.ts';
import type { Netd } from '#test/hosts/netd.ts';
import type { Survivors } from '../survivors.ts';
import { expectNoDuplicates, livesOn, nothingChanges, problemNamed } from '../witness.ts';

const KEEP = { engine: { liveRestore: true } };

/** The engine goes away and comes back. */
export function engineEvents(survivors: () => Survivors): void {
  test('an engine away for more than a minute: Down, then Ready, tasks replaced', async () => {
    const { services, worker } = survivors().strict;
    const node = await worker('gone-engine', KEEP);
    const nodeId = await nodeIdOf(node);
    await services.create('on-gone-engine', RUN_ON, ['--replicas', '2'], { on: 'gone-engine' });
    const before = await services.running('on-gone-engine', 2);
    await node.host.engine.stop();
    const began = Date.now();
    await problemNamed(node, 'engine-down');
    await new Promise((resolve) => setTimeout(resolve, began + 50_000 - Date.now())); // it is about the minute
    expect((await inspectNode(services.manager, nodeId)).Status.State).toBe('ready');
    await listedAs(services.manager, nodeId, 'down');
    expect(Date.now() - began).toBeGreaterThan(60_000);
    await node.host.engine.start();
    await replacedOn(node, services, 'on-gone-engine', before);
  });

  test('an engine that hangs: service logs end all the same', async () => {
    const { services, worker } = survivors().patient;
    const node = await worker('hanging');
    await services.create('mute', `echo words; ${RUN_ON}`, [], { on: 'hanging' });
    await services.runningTask('mute');
    const logs = (): Promise<string> =>
      services.manager.run(['docker', 'service', 'logs', '--raw', 'mute'], { timeoutMs: 110_000 });
    await patiently('the line is there', async () => (await logs()) === 'words');
    const resume = node.host.engine.process.pause();
    try {
      expect(await logs()).toBe('');
    } finally {
      resume();
    }
    await patiently('the line is there again', async () => (await logs()) === 'words');
  });

  test('an engine that comes long after the agent: Down, then Ready, tasks replaced', async () => {
    const { services, worker } = survivors().strict;
    const node = await worker('later-engine', KEEP);
    const nodeId = await nodeIdOf(node);
    await services.create('on-later-engine', RUN_ON, ['--replicas', '2'], { on: 'later-engine' });
    const before = await services.running('on-later-engine', 2);
    await node.stop();
    await node.host.engine.stop();
    await node.start();
    await listedAs(services.manager, nodeId, 'down');
    await node.host.engine.start();
    await replacedOn(node, services, 'on-later-engine', before);
  });

  test.each(['stop', 'kill'] as const)(
    'an engine with live-restore, after %s and start: nothing changes',
    async (end) => {
      const { services, worker } = survivors().patient;
      const node = await worker(`keeping-${end}`, KEEP);
      await services.create(`on-keeping-${end}`, RUN_ON, ['--replicas', '2'], { on: node.host.name });
      await services.running(`on-keeping-${end}`, 2);
      const unchanged = await nothingChanges(node, services, `on-keeping-${end}`);
      await node.host.engine[end]();
      await problemNamed(node, 'engine-down');
      await node.host.engine.start();
      await problemNamed(node, 'engine-down', false);
      await unchanged();
    },
  );

  test.each(['stop', 'kill'] as const)(
    'an engine without live-restore, after %s and start: tasks are replaced',
    async (end) => {
      const { services, worker } = survivors().patient;
      const node = await worker(`losing-${end}`);
      const name = `on-losing-${end}`;
      await services.create(name, RUN_ON, ['--replicas', '2'], { on: node.host.name });
      const before = await services.running(name, 2);
      await node.host.engine[end]();
      await node.host.engine.start();
      const ended = await services.when(name, 'the tasks have ended', (tasks) => {
        const old = tasks.filter(({ id }) => before.some((task) => task.id === id));
        return old.every(({ state }) => state === 'complete' || state === 'failed') && old;
      });
      for (const { state, exitCode, err } of ended) {
        expect(err).toBe(state === 'complete' ? '' : `task: non-zero exit (${exitCode})`);
      }
      const now = await services.running(name, 2);
      expect(now.map(({ slot }) => slot).sort()).toEqual([1, 2]);
      expect(Object.values(await livesOn(node.host)).filter(({ status }) => status === 'running')).toHaveLength(2);
      await expectNoDuplicates([node.host], await services.tasks(name));
    },
  );

  test('an engine that comes after the agent, within the grace: nothing changes', async () => {
    const { services, worker } = survivors().patient;
    const node = await worker('late-engine', KEEP);
    await services.create('on-late-engine', RUN_ON, ['--replicas', '2'], { on: 'late-engine' });
    await services.running('on-late-engine', 2);
    const unchanged = await nothingChanges(node, services, 'on-late-engine');
    await node.stop();
    await node.host.engine.stop();
    await node.start();
    await problemNamed(node, 'engine-down');
    await node.host.engine.start();
    await unchanged();
  });
}

/** After an absence the manager has noticed: it has given up the old tasks, and this node is the only one for new ones. */
async function replacedOn(node: Netd, services: Services, name: string, before: readonly { readonly id: string }[]) {
  await ready(node);
  const now = await services.running(name, before.length);
  for (const { id } of now) expect(before.map((task) => task.id)).not.toContain(id);
  await services.when(name, 'the manager knows that the old tasks are down', (tasks) =>
    tasks.filter(({ id }) => before.some((task) => task.id === id)).every(({ state }) => state === 'shutdown'),
  );
  const running = Object.values(await livesOn(node.host)).filter(({ status }) => status === 'running');
  expect(running).toHaveLength(before.length);
  await expectNoDuplicates([node.host], await services.tasks(name));
}
