import { expect, it } from 'vitest';
import { createBed } from '#test/hosts/bed.ts';
import { eventually } from '#test/hosts/eventually.ts';
import { startNetd } from '#test/hosts/netd.ts';
import { swarmInit, swarmNodes } from '#test/hosts/swarm.ts';

it('netd is started, asked, joined, killed and started again on a host', async () => {
  await using bed = await createBed();
  const [manager, worker] = await Promise.all([bed.host('m1'), bed.host('w1')]);
  await Promise.all([manager.engine.start(), worker.engine.start({ liveRestore: true })]);
  const swarm = await swarmInit(manager);

  const netd = await startNetd(worker);
  expect(await netd.run(['version'])).toMatch(/\d+\.\d+\.\d+/);
  expect((await netd.exec(['frobnicate'])).exitCode).toBe(2);
  await netd.join(swarm);
  await netd.kill();
  expect(netd.running).toBe(false);
  expect((await netd.exec(['status'])).exitCode).toBe(4);
  await netd.start();
  await eventually('the manager lists the worker as ready', async () => {
    const nodes = await swarmNodes(manager);
    return nodes.some((node) => node.hostname === 'w1' && node.status === 'Ready');
  });
  expect(netd.log()).not.toBe('');
});
