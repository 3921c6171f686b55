import { expect, test } from 'vitest';
import { ready } from '#test/conformance/both-sides.ts';
import { patiently } from '#test/conformance/patiently.ts';
import { RUN_ON } from '#test/conformance/services.ts';
import { inContainer } from '#test/conformance/worker-containers.ts';
import { BUSYBOX } from '#test/hosts/image.ts';
import type { Survivors } from '../survivors.ts';
import { expectNoDuplicates, livesOn } from '../witness.ts';

/** The host itself: the power goes off, or it leaves the swarm. */
export function hostEvents(survivors: () => Survivors): void {
  test('a power cut: tasks are replaced, their secrets made anew, and no others are left', async () => {
    const { services, worker } = survivors().patient;
    const node = await worker('dark');
    const { host } = node;
    await services.manager.run(['docker', 'secret', 'create', 'light', '-'], { input: 'candle' });
    await services.create('lit', RUN_ON, ['--replicas', '2', '--secret', 'light'], { on: 'dark' });
    // Fails once; its replacement, with a secret of its own, is prepared and waits for its delay to pass.
    const once = '[ -e /v/ran ] && { trap "exit 0" TERM; sleep 100000 & wait; }; touch /v/ran; exit 1';
    const flags = ['--restart-delay', '30s', '--secret', 'light', '--mount', 'type=volume,source=once,target=/v'];
    await services.create('delayed', once, flags, { on: 'dark' });
    const before = await services.running('lit', 2);
    const second = await services.when('delayed', 'second ready', ([, task]) => task?.state === 'ready' && task);

    await host.powerCycle();
    await host.engine.start();
    await node.start();
    await ready(node);
    const ended = await services.when('lit', 'the manager knows that the old ones have ended', (tasks) => {
      const old = tasks.filter(({ id }) => before.some((task) => task.id === id));
      return old.every(({ state }) => state !== 'running') && old;
    });
    for (const { state, err, exitCode } of ended) {
      expect(state).toBe('failed');
      expect(err).toMatch(`task: non-zero exit (${exitCode})`);
    }
    const now = await services.running('lit', 2);
    const delayed = await services.when('delayed', 'second runs', (tasks) =>
      tasks.find(({ id, state }) => id === second.id && state === 'running'),
    );
    for (const { containerId } of [...now, delayed]) {
      expect(await inContainer(host, containerId, 'cat /run/secrets/light')).toBe('candle');
    }
    const holders = (await host.run(['ls', `${node.runDir}/tasks`])).split('\n');
    expect(holders.sort()).toEqual([...now, delayed].map(({ id }) => id).sort());
    await expectNoDuplicates([host], await services.tasks('lit'));
  });

  test('netd leave takes what is of the swarm away, and nothing else', async () => {
    const { services, worker } = survivors().strict;
    const node = await worker('leaving');
    const { host } = node;
    await host.docker('volume', 'create', 'own-volume');
    await host.docker('network', 'create', '--subnet', '10.210.0.0/24', 'own-network');
    await host.docker('run', '--detach', '--name', 'own', '--network', 'own-network', BUSYBOX, 'sleep', '100000');
    await host.docker('create', '--name', 'own-created', '--volume', 'own-volume:/v', BUSYBOX, 'true');
    const own = await host.docker('inspect', '--format', '{{.Id}} {{.State.StartedAt}} {{.State.Pid}}', 'own');
    await services.manager.run(['docker', 'secret', 'create', 'farewell', '-'], { input: 'bye' });
    const flags = ['--replicas', '2', '--secret', 'farewell', '--mount', 'type=volume,source=kept-volume,target=/v'];
    await services.create('on-leaving', RUN_ON, flags, { on: 'leaving' });
    await services.create('ended-on-leaving', 'exit 0', ['--restart-condition', 'none'], { on: 'leaving' });
    await Promise.all([services.running('on-leaving', 2), services.first('ended-on-leaving', 'complete')]);

    await node.run(['leave']);
    expect(await livesOn(host)).toEqual({});
    const names = await host.docker('ps', '--all', '--format', '{{.Names}}');
    expect(names.split('\n').sort()).toEqual(['own', 'own-created']);
    expect(await host.docker('inspect', '--format', '{{.Id}} {{.State.StartedAt}} {{.State.Pid}}', 'own')).toBe(own);
    const volumes = (await host.docker('volume', 'ls', '--format', '{{.Name}}')).split('\n');
    expect(volumes).toEqual(expect.arrayContaining(['own-volume', 'kept-volume'])); // named volumes are data
    expect(await host.docker('network', 'ls', '--format', '{{.Name}}')).toContain('own-network');
    expect(await host.run(['ls', `${node.runDir}/tasks`])).toBe('');
    expect(await host.run(['find', node.stateDir, '-type', 'f', '-not', '-name', 'lock*'])).toBe('');
    await patiently('the manager misses it', async () => {
      return (await services.manager.docker('node', 'inspect', '--format', '{{.Status.State}}', 'leaving')) === 'down';
    });
  });
}
