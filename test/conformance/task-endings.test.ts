import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Host } from '#test/hosts/host.ts';
import { BUSYBOX } from '#test/hosts/image.ts';
import {
  type Ending,
  type EndingService,
  endingBody,
  endingOf,
  endingServices,
  NOWHERE,
  TAKEN_PORT,
} from './ending-services.ts';
import { patiently } from './patiently.ts';
import { createService, engineCall, type Json, member } from './task-container.ts';
import { macvlan, makePayload, networkConfig, OLDEST_AND_NEWEST, type TwoWorkers, twoWorkers } from './two-workers.ts';

describe.each(OLDEST_AND_NEWEST)('a task that ends on netd and one that ends on Docker %s', (version) => {
  const services = endingServices('').filter(({ since }) => since === undefined || since === version);
  const ids = new Map<string, string>();
  let workers: TwoWorkers;

  beforeAll(async () => {
    workers = await twoWorkers(version);
    const { manager, docker, netd } = workers;
    await networkConfig(manager, NOWHERE, '10.201.0.0/24');
    await macvlan(manager, NOWHERE);
    for (const host of [docker, netd]) {
      await host.docker('run', '--detach', '--publish', `0.0.0.0:${TAKEN_PORT}:80`, BUSYBOX, 'sleep', '1000');
    }
    const configId = await makePayload(manager, 'config', 'conf', 'x');
    for (const service of endingServices(configId).filter(isTried)) {
      ids.set(service.name, await createService(manager, endingBody(service)));
    }
  });
  afterAll(() => workers?.bed.end());

  const isTried = ({ name }: EndingService) => services.some((service) => service.name === name);

  it.each(services)('says the same: $name', async ({ name, wordier }) => {
    const id = ids.get(name) ?? '';
    const [expected, got] = await Promise.all([
      ending(workers.manager, id, workers.docker.name),
      ending(workers.manager, id, workers.netd.name),
    ]);
    if (wordier) expect(got).toEqual({ ...expected, err: expect.stringContaining(expected.err) });
    else expect(got).toEqual(expected);
  });
});

async function ending(manager: Host, serviceId: string, hostname: string): Promise<Ending> {
  const nodeId = member(await engineCall(manager, 'GET', `/nodes/${hostname}`), 'ID');
  const filters = encodeURIComponent(JSON.stringify({ service: [serviceId], node: [hostname] }));
  return patiently(`the task of ${serviceId} on ${hostname} ends`, async () => {
    const tasks = await engineCall(manager, 'GET', `/tasks?filters=${filters}`);
    const own = Array.isArray(tasks) ? tasks.find((task: Json) => member(task, 'NodeID') === nodeId) : undefined;
    return endingOf(own);
  });
}
