import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Host } from '#test/hosts/host.ts';
import { type MappingIds, mappingServices, serviceBody } from './mapping-services.ts';
import { comparable } from './same-container.ts';
import { createService, member, runningContainer } from './task-container.ts';
import { makePayload, OLDEST_AND_NEWEST, type TwoWorkers, twoWorkers } from './two-workers.ts';

const NO_IDS: MappingIds = { secret: '', config: '', templateConfig: '' };

describe.each(OLDEST_AND_NEWEST)('a container made by netd and one made by Docker %s', (version) => {
  const names = mappingServices(NO_IDS)
    .filter(({ since }) => since === undefined || since === version)
    .map(({ name }) => name);
  const ids = new Map<string, string>();
  let workers: TwoWorkers;

  beforeAll(async () => {
    workers = await twoWorkers(version);
    const services = mappingServices(await makePayloads(workers.manager));
    for (const service of services.filter(({ name }) => names.includes(name))) {
      ids.set(service.name, await createService(workers.manager, serviceBody(service)));
    }
  });
  afterAll(() => workers?.bed.end());

  it.each(names)('look the same: %s', async (name) => {
    const id = ids.get(name) ?? '';
    const [expected, got] = await Promise.all([
      runningContainer(workers.docker, id),
      runningContainer(workers.netd, id),
    ]);
    expect(comparable(got, workers.netd.name)).toEqual(comparable(expected, workers.docker.name));
  });

  it('show the same secrets and configs inside', async () => {
    const id = ids.get('payload') ?? '';
    const [expected, got] = await Promise.all([insideView(workers.docker, id), insideView(workers.netd, id)]);
    expect(got).toBe(expected);
    expect(got).toContain('hunter2 blue payload.');
    expect(got).not.toContain('written');
  });
});

async function makePayloads(manager: Host): Promise<MappingIds> {
  const template = '{{secret "password"}} {{env "COLOR"}} {{.Task.Name}}{{.Node.Hostname}}\n';
  return {
    secret: await makePayload(manager, 'secret', 'password', 'hunter2'),
    config: await makePayload(manager, 'config', 'conf', 'listen 80\n'),
    templateConfig: await makePayload(manager, 'config', 'filled', template, 'golang'),
  };
}

/** Content, owner, mode and mount options of the files, and whether they can be written, as the container's root has it. */
async function insideView(host: Host, serviceId: string): Promise<string> {
  const container = await runningContainer(host, serviceId);
  const script = `
    for file in /run/secrets/password /etc/again /etc/app/app.conf /filled; do
      stat -c '%n %u:%g %a' $file
      cat $file; echo
      { echo x >$file; } 2>/dev/null && echo written
      grep " $file " /proc/mounts | cut -d' ' -f2-4 | sed 's/,\\(size\\|mode\\|nr_inodes\\)=[^,]*//g; s/,inode64//'
    done; true`;
  const view = await host.docker('exec', '--user', '0', String(member(container, 'Id')), 'sh', '-c', script);
  const label = (name: string) => String(member(container, 'Config', 'Labels', `com.docker.swarm.${name}`));
  return view.replaceAll(label('task.id'), 'TASK').replaceAll(label('node.id'), 'NODE');
}
