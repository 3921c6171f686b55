import { expect, test } from 'vitest';
import { listedAs, nodeIdOf, ready } from '#test/conformance/both-sides.ts';
import { patiently } from '#test/conformance/patiently.ts';
import { RUN_ON } from '#test/conformance/services.ts';
import { inContainer } from '#test/conformance/worker-containers.ts';
import type { Survivors } from '../survivors.ts';
import { expectNoDuplicates, livesOn, nothingChanges } from '../witness.ts';

/** The agent goes away and comes back. */
export function agentEvents(survivors: () => Survivors): void {
  test('an agent restarted, by SIGTERM and by SIGKILL, within the grace: nothing changes', async () => {
    const { services, worker } = survivors().patient;
    const node = await worker('restarted');
    await services.manager.run(['docker', 'secret', 'create', 'word', '-'], { input: 'hunter2' });
    await services.create('kept', RUN_ON, ['--replicas', '3', '--secret', 'word'], { on: 'restarted' });
    const [task] = await services.running('kept', 3);
    const unchanged = await nothingChanges(node, services, 'kept');
    for (const end of ['stop', 'kill'] as const) {
      await node[end]();
      await node.start();
      await unchanged();
    }
    expect(await inContainer(node.host, task?.containerId ?? '', 'cat /run/secrets/word')).toBe('hunter2');
  });

  test('an agent away for longer than the grace: as the manager decides, no orphans', async () => {
    const { services, worker } = survivors().strict;
    const [away, spare] = await Promise.all([worker('away'), worker('spare')]);
    for (const name of ['away', 'spare'])
      await services.manager.docker('node', 'update', '--label-add', 'g=moved', name);
    const [awayId, spareId] = [await nodeIdOf(away), await nodeIdOf(spare)];
    await services.create('moved', RUN_ON, ['--replicas', '4', '--constraint', 'node.labels.g==moved']);
    const before = await services.running('moved', 4);
    expect(before.filter(({ nodeId }) => nodeId === awayId)).toHaveLength(2);
    const lives = await livesOn(away.host);

    await away.kill();
    await listedAs(services.manager, awayId, 'down');
    const moved = await services.when('moved', '4 running on the spare node', (tasks) => {
      const there = tasks.filter(({ nodeId, state }) => nodeId === spareId && state === 'running');
      return there.length === 4 && there;
    });
    expect(await livesOn(away.host)).toEqual(lives);

    await away.start();
    await ready(away);
    await services.when('moved', 'the manager knows that the old tasks are down', (tasks) =>
      tasks.filter(({ nodeId }) => nodeId === awayId).every(({ state, err }) => state === 'shutdown' && err === ''),
    );
    await patiently('what ran is down', async () => (await away.host.docker('ps', '--quiet')) === '');
    const now = await services.running('moved', 4);
    expect(now.map(({ id }) => id).sort()).toEqual(moved.map(({ id }) => id).sort());
    await expectNoDuplicates([away.host, spare.host], await services.tasks('moved'));
    await services.remove('moved');
    await patiently('nothing is left of it', async () => Object.keys(await livesOn(away.host)).length === 0);
  });

  test('a log that is followed goes on over a restart of the agent', async () => {
    const { services, worker } = survivors().patient;
    const node = await worker('logging');
    const ticks = 'trap "exit 0" TERM; n=0; while :; do echo line $n; n=$((n + 1)); sleep 0.5 & wait $!; done';
    await services.create('ticking', ticks, [], { on: 'logging' });
    await services.runningTask('ticking');
    const argv = ['docker', 'service', 'logs', '--raw', '--follow', 'ticking'];
    const follower = await services.manager.spawn('logs-over-restart', argv);
    const lines = () => follower.log().split('\n').slice(0, -1);
    try {
      await patiently('lines come', () => lines().length > 2);
      await node.kill();
      await node.start();
      await ready(node);
      const seen = lines().length;
      await patiently('lines come again', () => lines().length > seen + 2);
      expect(follower.running).toBe(true);
    } finally {
      await follower.stop();
    }
    expect(lines().every((line) => /^line \d+$/.test(line))).toBe(true);
  });
}
