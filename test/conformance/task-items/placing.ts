import { expect, test } from 'vitest';
import { item } from '../items.ts';
import { RUN_ON } from '../services.ts';
import { LAN, NOWHERE, type TaskBed } from '../task-bed.ts';
import { containerOfTask, containersOf } from '../worker-containers.ts';

/** What a service takes of its node, and where it lands. */
export function placingItems(bed: () => TaskBed): void {
  test(item(30), async () => {
    const { services, w1 } = bed();
    await services.create('one-each', RUN_ON, ['--mode', 'global'], { on: 'w1' });
    const task = await services.runningTask('one-each');
    const { Name } = await containerOfTask(w1.host, task.id);
    expect(Name).toBe(`/one-each.${task.nodeId}.${task.id}`);
    expect(await services.tasks('one-each')).toHaveLength(1);
    expect(await containersOf(w1.host, 'one-each')).toHaveLength(1);
  });

  test(item(35, 'numbered'), async () => {
    const { services, w1 } = bed();
    await services.create('gpus', RUN_ON, ['--replicas', '3', '--generic-resource', 'gpu=1'], { on: 'w1' });
    for (const { id } of await services.running('gpus', 2)) {
      expect((await containerOfTask(w1.host, id)).Config.Env).toContain('DOCKER_RESOURCE_GPU=1');
    }
    const left = await services.when('gpus', 'one waits', (tasks) => tasks.find((t) => t.state === 'pending' && t.err));
    expect(left.err).toContain('insufficient resources on');
  });

  test(item(35, 'named'), async () => {
    const { services, w1 } = bed();
    await services.create('cards', RUN_ON, ['--replicas', '2', '--generic-resource', 'card=1'], { on: 'w1' });
    const cards = [];
    for (const { id } of await services.running('cards', 2)) {
      const { Env } = (await containerOfTask(w1.host, id)).Config;
      cards.push(Env.find((entry) => entry.startsWith('DOCKER_RESOURCE_CARD=')));
    }
    expect(cards.sort()).toEqual(['DOCKER_RESOURCE_CARD=blue', 'DOCKER_RESOURCE_CARD=red']);
  });

  test(item(36, 'chosen'), async () => {
    const { services, w1 } = bed();
    const serve = 'mkdir /www; echo hello >/www/index.html; trap "exit 0" TERM; httpd -h /www & sleep 100000 & wait';
    await services.create('any-port', serve, ['--publish', 'mode=host,target=80'], { on: 'w1' });
    const task = await services.runningTask('any-port');
    const port = task.ports[0]?.published ?? 0;
    expect(port).toBeGreaterThan(0);
    // One row of ports for IPv4, and one for IPv6 where the engine binds that too.
    const column = (await services.ps('any-port', '{{.Ports}}')).join();
    expect(new Set(column.split(','))).toEqual(new Set([`*:${port}->80/tcp`]));
    expect(await w1.host.docker('port', task.containerId, '80/tcp')).toContain(`:${port}`);
    const url = `http://${w1.host.address}:${port}/`;
    expect(await services.manager.run(['curl', '--silent', '--retry', '20', '--retry-connrefused', url])).toBe('hello');
  });

  test(item(36, 'fixed'), async () => {
    const { services } = bed();
    const publish = ['--replicas', '2', '--publish', 'mode=host,target=80,published=8080'];
    await services.create('fixed-port', RUN_ON, publish, { on: 'w1' });
    const task = await services.runningTask('fixed-port');
    expect(task.ports[0]).toEqual({ target: 80, published: 8080 });
    const [row = ''] = (await services.ps('fixed-port', '{{.Ports}}')).filter((ports) => ports !== '');
    expect(row).toMatch(/^\*:8080->80\/tcp(,\*:8080->80\/tcp)?$/);
    const left = await services.when('fixed-port', 'one waits', (tasks) =>
      tasks.find((t) => t.state === 'pending' && t.err),
    );
    expect(left.err).toContain('host-mode port already in use on');
  });

  test.each(['host', 'bridge'])(item(39, '%s'), async (network) => {
    const { services, w1 } = bed();
    const name = `on-${network}`;
    await services.create(name, RUN_ON, ['--network', network], { on: 'w1' });
    const { HostConfig, NetworkSettings } = await containerOfTask(w1.host, (await services.runningTask(name)).id);
    expect(HostConfig.NetworkMode).toBe(network);
    expect(Object.keys(NetworkSettings.Networks)).toEqual([network]);
  });

  test(item(40, 'there'), async () => {
    const { services, w1 } = bed();
    await services.create('on-lan', RUN_ON, ['--network', LAN], { on: 'w1' });
    const { NetworkSettings } = await containerOfTask(w1.host, (await services.runningTask('on-lan')).id);
    expect(NetworkSettings.Networks[LAN]?.IPAddress).toMatch(/^10\.200\.0\./);
  });

  test(item(40, 'missing'), async () => {
    const { services } = bed();
    await services.create('on-nothing', RUN_ON, ['--network', NOWHERE, '--restart-condition', 'none'], { on: 'w1' });
    const { err } = await services.first('on-nothing', 'rejected');
    expect(err).toBe(`configuration network "${NOWHERE}-config" does not exist`);
  });
}
