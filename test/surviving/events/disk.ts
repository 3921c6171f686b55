import { expect, test } from 'vitest';
import { patiently } from '#test/conformance/patiently.ts';
import { RUN_ON } from '#test/conformance/services.ts';
import { letGo } from '#test/conformance/worker-containers.ts';
import type { Survivors } from '../survivors.ts';
import { nothingChanges, problemNamed } from '../witness.ts';

const STATE_DIR = '/srv/netd-state';
const FILLER = `${STATE_DIR}/filler`;

/** The disk the state is on is full, and then no more. */
export function diskEvents(survivors: () => Survivors): void {
  test('a full disk: status says so, tasks are run all the same, and nothing is lost once there is room', async () => {
    const { services, worker } = survivors().patient;
    const disk = ['mount', '-t', 'tmpfs', '-o', 'size=1m', 'state', STATE_DIR];
    const node = await worker('full', {
      prepare: async (host) => {
        await host.run(['mkdir', STATE_DIR]);
        await host.run(disk);
      },
      netd: { stateDir: STATE_DIR },
    });
    const { host } = node;
    const flags = ['--restart-condition', 'none'];
    await services.create('before-full', 'until [ -e /go ]; do sleep 0.1; done; exit 6', flags, { on: 'full' });
    const early = await services.runningTask('before-full');
    await host.exec(['sh', '-c', `cat /dev/zero >${FILLER}`]); // to the last byte
    await services.create('while-full', RUN_ON, ['--replicas', '2'], { on: 'full' });
    await services.running('while-full', 2);
    await letGo(host, early.containerId);
    expect(await services.first('before-full', 'failed')).toMatchObject({ exitCode: 6 });
    await problemNamed(node, 'state-not-written');
    expect((await node.exec(['status'])).exitCode).toBe(3);

    await host.run(['rm', FILLER]);
    await problemNamed(node, 'state-not-written', false);
    const unchanged = await nothingChanges(node, services, 'while-full');
    await node.kill();
    await node.start();
    await unchanged();
    expect(await services.first('before-full', 'failed')).toMatchObject({ id: early.id, exitCode: 6 });
  });

  test('an agent restarted while the disk is full stops, starts, and takes its tasks up', async () => {
    const { services, worker } = survivors().patient;
    const node = await worker('fuller', {
      prepare: async (host) => {
        await host.run(['mkdir', STATE_DIR]);
        await host.run(['mount', '-t', 'tmpfs', '-o', 'size=1m', 'state', STATE_DIR]);
      },
      netd: { stateDir: STATE_DIR },
    });
    const { host } = node;
    await services.create('before-fuller', RUN_ON, [], { on: 'fuller' });
    const kept = await services.runningTask('before-fuller');
    await host.exec(['sh', '-c', `cat /dev/zero >${FILLER}`]);
    await services.create('while-fuller', RUN_ON, ['--replicas', '2'], { on: 'fuller' });
    const unstored = await services.running('while-fuller', 2);
    await problemNamed(node, 'state-not-written');
    expect(await node.process.stop(20_000)).toEqual({ exitCode: 0, signal: null });
    await node.start();
    // What is not on the disk comes from the manager, and from the engine.
    await patiently('all are as they were', async () => {
      const [one, two] = await Promise.all([services.running('before-fuller'), services.running('while-fuller', 2)]);
      return one[0]?.id === kept.id && two.every((task, index) => task.containerId === unstored[index]?.containerId);
    });
    await host.run(['rm', FILLER]);
    await problemNamed(node, 'state-not-written', false);
  });
}
