import { describe, expect, it } from 'vitest';
import { createBed } from '#test/hosts/bed.ts';
import { eventually } from '#test/hosts/eventually.ts';
import { BUSYBOX } from '#test/hosts/image.ts';
import { startNetd } from '#test/hosts/netd.ts';
import { swarmInit } from '#test/hosts/swarm.ts';

const STORE = '/opt/netd/test/conformance/open-payload-store.fixture.ts';

describe('secrets on the host', () => {
  it('are kept in memory: where there is a disk, a tmpfs is mounted, once', async () => {
    await using bed = await createBed();
    const host = await bed.host('a');
    const directory = '/var/lib/on-disk/tasks';
    for (let life = 1; life <= 2; life++) expect(await host.run(['node', STORE, directory])).toBe('written');
    const mounts = (await host.run(['cat', '/proc/mounts'])).split('\n').filter((line) => line.includes(directory));
    expect(mounts).toHaveLength(1);
    expect(mounts[0]).toMatch(/^netd-tasks \S+ tmpfs rw,(?=.*nosuid)(?=.*nodev)(?=.*noexec)(?=.*mode=700)/);
    await host.run(['umount', directory]);
    expect(await host.run(['find', directory])).toBe(directory);
  });

  it('are not written at all when that cannot be', async () => {
    await using bed = await createBed();
    const host = await bed.host('a');
    const directory = '/var/lib/on-disk/tasks';
    const unable = ['setpriv', '--bounding-set', '-sys_admin', '--inh-caps', '-sys_admin', '--'];
    expect(await host.run([...unable, 'node', STORE, directory])).toBe('payload-not-in-memory');
    expect(await host.run(['find', directory])).toBe(directory);
  });

  it('on a tmpfs need nothing mounted', async () => {
    await using bed = await createBed();
    const host = await bed.host('a');
    expect(await host.run(['node', STORE, '/run/somewhere/tasks'])).toBe('written');
    expect(await host.run(['cat', '/proc/mounts'])).not.toContain('somewhere');
  });

  it("belong to the container's users when the engine maps them", async () => {
    await using bed = await createBed({ engine: '28.5.2' });
    const [manager, worker] = await Promise.all([bed.host('manager'), bed.host('worker')]);
    await worker.run(['sh', '-c', 'echo nobody:100000:65536 | tee /etc/subuid >/etc/subgid']);
    await Promise.all([
      manager.engine.start(),
      worker.engine.start({ daemonJson: { 'userns-remap': 'nobody:nogroup' } }),
    ]);
    await worker.engine.load();
    const swarm = await swarmInit(manager);
    await (await startNetd(worker)).join(swarm);
    await manager.run(['docker', 'secret', 'create', 'password', '-'], { input: 'hunter2' });
    const secret = 'source=password,uid=1000,gid=1001,mode=0440';
    const flags = ['--detach', '--no-resolve-image', '--constraint', 'node.role==worker', '--secret', secret];
    await manager.docker('service', 'create', '--name', 'web', ...flags, BUSYBOX, 'sleep', '1000');
    const id = await eventually('the task runs', async () => (await worker.docker('ps', '-q')) || undefined);
    const file = '/run/secrets/password';
    const look = ['exec', '--user', '1000', id, 'sh', '-c', `stat -c '%u:%g %a' ${file}; cat ${file}`];
    expect(await worker.docker(...look)).toBe('1000:1001 440\nhunter2');
    const onHost = "stat -c '%u:%g' /run/netd/tasks/*/secret-*";
    expect(await worker.run(['sh', '-c', onHost])).toBe('101000:101001');
  });
});
