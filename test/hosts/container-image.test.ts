import { execFile } from 'node:child_process';
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { createBed } from '#test/hosts/bed.ts';
import { eventually } from '#test/hosts/eventually.ts';
import type { Host } from '#test/hosts/host.ts';
import { BUSYBOX } from '#test/hosts/image.ts';
import { swarmInit } from '#test/hosts/swarm.ts';

const root = join(import.meta.dirname, '../..');
const PACKAGE = join(root, 'packaging/package.sh');
const run = promisify(execFile);

/** The container image of the executable under test, made in `directory`; of the sources, if no built one is under test. */
async function makeImage(directory: string): Promise<string> {
  const scratch = mkdtempSync(join(tmpdir(), 'netd-image-'));
  try {
    const isBuilt = process.env.NETD_TESTBED_COMMAND === '/opt/netd/dist/netd';
    const executable = isBuilt ? join(root, 'dist/netd') : join(scratch, 'netd');
    const build = [join(root, 'scripts/build.ts'), join(root, 'agent/main.ts'), executable];
    if (!isBuilt) await run(process.execPath, build);
    await run('sh', [PACKAGE, 'image', executable, directory]);
    return readdirSync(directory).find((name) => name.endsWith('.image.tar')) ?? '';
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/** How the documentation has it run. */
function documentedRun(version: string): string {
  const text = readFileSync(join(root, 'docs/container-image.md'), 'utf8');
  const [command = ''] = /^ {4}docker run (.*\\\n)+.*$/m.exec(text) ?? [];
  return command.replaceAll('VERSION', version);
}

const docker = (host: Host, ...words: readonly string[]) => host.exec(['docker', ...words]);
const tasks = (host: Host) => host.docker('ps', '--quiet', '--filter', 'label=com.docker.swarm.service.name=web');
const isReady = async (host: Host) => (await docker(host, 'exec', 'netd', 'netd', 'status')).exitCode === 0;

it('an executable gives the same image each time, with the notices of all that is in it, and none without them', async () => {
  const scratch = mkdtempSync(join(tmpdir(), 'netd-image-'));
  try {
    const executable = join(scratch, 'netd');
    const make = (time: string) =>
      run('sh', [
        '-ec',
        `umask 077; touch -d ${time} "$1"; sh "$2" image "$1" "$3"`,
        'sh',
        executable,
        PACKAGE,
        scratch,
      ]);
    const image = () => readdirSync(scratch).find((name) => name.endsWith('.image.tar'));
    copyFileSync('/bin/true', executable);
    await expect(make('2020-01-01')).rejects.toThrow(
      `there is no ${executable}.notices: build it with 'npm run build'`,
    );
    expect(image()).toBeUndefined();

    writeFileSync(`${executable}.notices`, 'the notices\n');
    const made: Buffer[] = [];
    for (const time of ['2020-01-01', '2021-01-01']) {
      await make(time);
      made.push(readFileSync(join(scratch, image() ?? '')));
    }
    expect(made[0]?.equals(made[1] ?? Buffer.alloc(0))).toBe(true);
    const list = `tar xOf "$1" ./layer.tar | tar t`;
    const { stdout } = await run('sh', ['-ec', list, 'sh', join(scratch, image() ?? '')]);
    const files = stdout.split('\n').filter((path) => !path.endsWith('/'));
    const notices = files.filter((path) => path.endsWith('/copyright'));
    expect(notices).toEqual(
      expect.arrayContaining(['./usr/share/doc/libc6/copyright', './usr/share/doc/netd/copyright']),
    );
    // A version for each notice but netd's own.
    expect(files.filter((path) => path.includes('/status.d/')).length).toBe(notices.length - 1);
  } finally {
    rmSync(scratch, { recursive: true });
  }
});

it('netd in a container, run as documented, is a worker that a restart of the engine and a new container leave as it is', async () => {
  await using bed = await createBed();
  const [manager, worker] = await Promise.all([bed.host('m1'), bed.host('w1')]);
  await worker.run(['mount', '--make-rshared', '/run']); // as systemd does
  const [image] = await Promise.all([
    makeImage(worker.path('/tmp')),
    manager.engine.start(),
    worker.engine.start({ liveRestore: true }).then(() => worker.engine.load()),
  ]);
  const swarm = await swarmInit(manager);
  await manager.docker('network', 'create', '--driver', 'overlay', 'net');
  const [, version = ''] = /^netd-(.*)-[^-]*\.image\.tar$/.exec(image) ?? [];
  expect(await worker.docker('load', '--input', `/tmp/${image}`)).toBe(`Loaded image: netd:${version}`);
  rmSync(worker.path(`/tmp/${image}`));

  const command = documentedRun(version);
  await worker.run(['sh', '-ec', command]);
  await eventually('netd answers', async () => (await docker(worker, 'exec', 'netd', 'netd', 'status')).exitCode === 3);
  await worker.docker('exec', 'netd', 'netd', 'join', '--token', swarm.tokens.worker, swarm.address);
  const service = ['--name', 'web', '--network', 'net', '--constraint', 'node.hostname==w1', '--detach'];
  await manager.docker('service', 'create', ...service, BUSYBOX, 'sleep', '1000');
  await eventually('a task on the overlay network runs', async () => (await tasks(worker)) !== '');
  const task = await tasks(worker);
  const address = await worker.docker('inspect', '--format', '{{.NetworkSettings.Networks.net.IPAddress}}', task);
  // The namespace of the network is one for the host too: it outlives the container that made it.
  const [namespace = ''] = readdirSync(worker.path('/run/netd/netns'));
  const links = ['nsenter', `--net=/run/netd/netns/${namespace}`, 'ip', '-brief', 'link', 'show', 'type', 'vxlan'];
  expect(await worker.run(links)).not.toBe('');

  const pid = await worker.docker('inspect', '--format', '{{.State.Pid}}', 'netd');
  await worker.engine.restart();
  await eventually('it is ready after the engine', () => isReady(worker));
  expect(await worker.docker('inspect', '--format', '{{.State.Pid}}', 'netd')).toBe(pid);

  await worker.docker('rm', '--force', 'netd');
  expect(await worker.run(links)).not.toBe('');
  await worker.run(['sh', '-ec', command]);
  await eventually('the new container is ready', () => isReady(worker));
  expect(await tasks(worker)).toBe(task);
  expect(await worker.docker('exec', task, 'ip', '-4', 'address')).toContain(address);
});
