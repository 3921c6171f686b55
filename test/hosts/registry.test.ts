import { describe, expect, it } from 'vitest';
import { createBed } from '#test/hosts/bed.ts';
import { ENGINE_SUITES } from '#test/hosts/engine-roots.ts';
import { eventually } from '#test/hosts/eventually.ts';
import { busyboxImage } from '#test/hosts/image.ts';
import { Registry } from '#test/hosts/registry.ts';
import { dockerJoin, swarmInit } from '#test/hosts/swarm.ts';

const LOGIN = { username: 'ada', password: 'analytical' };

describe.each(ENGINE_SUITES)('the registry, with the engine of Debian %s', (suite) => {
  it('serves by tag and by digest, and only to who has the password', async () => {
    await using bed = await createBed({ engine: suite });
    await using registry = await Registry.start(bed, { login: LOGIN });
    const host = await bed.host('a');
    await host.engine.start({ insecureRegistries: [registry.address] });
    const { tagged, pinned } = registry.put(busyboxImage({ Env: ['WORD=private'] }), 'private/app', '1');

    await expect(host.docker('pull', tagged)).rejects.toThrow(/no basic auth credentials/);
    await expect(
      host.docker('login', '--username', LOGIN.username, '--password', 'wrong', registry.address),
    ).rejects.toThrow(/401|unauthorized/i);
    await host.docker('login', '--username', LOGIN.username, '--password', LOGIN.password, registry.address);
    await host.docker('pull', tagged);
    expect(await host.docker('run', '--rm', pinned, 'sh', '-c', 'echo $WORD')).toBe('private');
    await expect(host.docker('pull', `${registry.address}/private/app:2`)).rejects.toThrow(/not found|unknown/);
    const pulled = registry.requests.filter((request) => request.status === 200 && request.path.includes('/blobs/'));
    expect(pulled.every((request) => request.username === LOGIN.username)).toBe(true);
  });

  it('serves the tasks of a service created with the credentials, pinned by digest', async () => {
    await using bed = await createBed({ engine: suite });
    await using registry = await Registry.start(bed, { login: LOGIN });
    const [manager, worker] = await Promise.all([bed.host('m1'), bed.host('w1')]);
    await Promise.all([manager, worker].map((host) => host.engine.start({ insecureRegistries: [registry.address] })));
    await dockerJoin(worker, await swarmInit(manager));
    const image = busyboxImage({ Cmd: ['sleep', '1000'] });
    const { tagged } = registry.put(image, 'private/app', '1');
    await manager.docker('login', '--username', LOGIN.username, '--password', LOGIN.password, registry.address);
    const placed = ['--detach', '--with-registry-auth', '--constraint', 'node.hostname==w1'];
    await manager.docker('service', 'create', '--name', 'app', ...placed, tagged);
    await eventually('the task runs', async () => {
      return (await manager.docker('service', 'ls', '--format', '{{.Replicas}}')) === '1/1';
    });
    const format = '{{.Spec.TaskTemplate.ContainerSpec.Image}}';
    expect(await manager.docker('service', 'inspect', '--format', format, 'app')).toBe(
      `${tagged}@${image.manifest.digest}`,
    );
  });
});
