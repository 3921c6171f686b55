import { describe, expect, it } from 'vitest';
import { createBed } from '#test/hosts/bed.ts';
import { ENGINE_SUITES, engineVersion } from '#test/hosts/engine-roots.ts';
import { eventually } from '#test/hosts/eventually.ts';
import { BUSYBOX, busyboxImage } from '#test/hosts/image.ts';
import { dockerJoin, swarmInit, swarmNodes } from '#test/hosts/swarm.ts';

/** The engines of all versions side by side, each with one thing after the other. */
const IN_TURN = { concurrent: false };

describe.concurrent.each(ENGINE_SUITES)('the engine of Debian %s', (suite) => {
  it('runs containers of an image with a configuration of its own', IN_TURN, async () => {
    await using bed = await createBed({ engine: suite });
    const host = await bed.host('a');
    await host.engine.start({ labels: ['zone=east'] });
    expect((await host.engine.api().version()).Version).toContain(engineVersion(suite));
    expect((await host.engine.api().info()).Labels).toEqual(['zone=east']);

    const health = { Test: ['CMD', 'test', '-e', '/tmp/well'], Interval: 1e8, Retries: 1 };
    const config = { Env: ['WORD=yes'], Entrypoint: ['sh', '-c'], Healthcheck: health };
    await host.engine.load();
    await host.engine.load(busyboxImage(config), 'netd/other:2');
    expect(await host.docker('run', '--rm', '--init', BUSYBOX, 'id', '-u')).toBe('0');
    expect(await host.docker('run', '--rm', 'netd/other:2', 'echo $WORD')).toBe('yes');
    await host.docker('run', '-d', '--name', 'web', 'netd/other:2', 'touch /tmp/well; sleep 1000');
    await eventually('it is healthy', async () => {
      const inspected = await host.engine.api().getContainer('web').inspect();
      return inspected.State.Health?.Status === 'healthy';
    });
  });

  it('fails a pull at once', IN_TURN, async () => {
    await using bed = await createBed({ engine: suite });
    const host = await bed.host('a');
    await host.engine.start();
    await expect(host.docker('pull', 'nowhere.example/x:1')).rejects.toThrow();
    await expect(host.run(['docker', 'pull', 'busybox'], { timeoutMs: 5_000 })).rejects.toThrow(/exited with 1/);
  });

  it('keeps containers running over its own stop and death, with live-restore', IN_TURN, async () => {
    await using bed = await createBed({ engine: suite });
    const host = await bed.host('a');
    await host.engine.start({ liveRestore: true });
    await host.engine.load();
    await host.docker('run', '-d', '--name', 'web', BUSYBOX, 'sleep', '1000');
    const pid = await host.docker('inspect', '-f', '{{.State.Pid}}', 'web');
    await host.engine.stop();
    await host.run(['kill', '-0', pid]);
    await host.engine.start();
    expect(await host.docker('inspect', '-f', '{{.State.Pid}}', 'web')).toBe(pid);
    await host.engine.kill();
    await host.run(['kill', '-0', pid]);
    await host.engine.start();
    expect(await host.docker('inspect', '-f', '{{.State.Pid}} {{.State.Running}}', 'web')).toBe(`${pid} true`);
  });

  it('makes a swarm: three managers and a worker run a service', IN_TURN, async () => {
    await using bed = await createBed({ engine: suite });
    const [first, second, third, worker] = await Promise.all([
      bed.host('m1'),
      bed.host('m2'),
      bed.host('m3'),
      bed.host('w1'),
    ]);
    const hosts = [first, second, third, worker];
    await Promise.all(hosts.map((host) => host.engine.start()));
    await Promise.all(hosts.map((host) => host.engine.load()));
    const swarm = await swarmInit(first);
    // Managers one after the other: each changes the raft membership.
    await dockerJoin(second, swarm, 'manager');
    await dockerJoin(third, swarm, 'manager');
    await dockerJoin(worker, swarm);
    await eventually('all nodes are ready', async () => {
      const nodes = await swarmNodes(second);
      return nodes.length === hosts.length && nodes.every((node) => node.status === 'Ready');
    });
    expect((await swarmNodes(third)).map((node) => [node.hostname, node.managerStatus]).sort()).toEqual([
      ['m1', 'Leader'],
      ['m2', 'Reachable'],
      ['m3', 'Reachable'],
      ['w1', ''],
    ]);
    const service = ['--name', 'web', '--mode', 'global', '--no-resolve-image', '--detach', BUSYBOX, 'sleep', '1000'];
    await first.docker('service', 'create', ...service);
    await eventually('the service runs on all four', async () => {
      return (await first.docker('service', 'ls', '--format', '{{.Replicas}}')) === '4/4';
    });
  });
});
