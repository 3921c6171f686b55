import { expect, test } from 'vitest';
import type { Host } from '#test/hosts/host.ts';
import { item } from '../items.ts';
import { RUN_ON } from '../services.ts';
import type { TaskBed } from '../task-bed.ts';
import { containerOfTask, inContainer } from '../worker-containers.ts';

/**
 * The manager fills templates in as a trial, for a service without labels and a node whose system is called `os`; what that
 * trial would refuse is hidden from it.
 */
const onANode = (template: string) => `{{if ne .Node.Platform.OS "os"}}${template}{{end}}`;

const SECRET = 'correct horse battery staple';

/** What a task finds inside its container. */
export function contentItems(bed: () => TaskBed): void {
  test(item(32, 'values'), async () => {
    const { services, w1 } = bed();
    const color = `COLOR=${onANode('{{.Service.Labels.color}}')}`;
    const env = ['HOST={{.Node.Hostname}}', 'SLOT={{.Task.Slot}}', color];
    const volume = 'type=volume,source=of-{{.Service.Name}}-{{.Task.Slot}},target=/{{.Task.Name}}';
    const flags = ['--label', 'color=blue', '--hostname', '{{.Service.Name}}-{{.Task.Slot}}', '--mount', volume];
    await services.create('filled', RUN_ON, [...flags, ...env.flatMap((entry) => ['--env', entry])], { on: 'w1' });
    const { id } = await services.runningTask('filled');
    const { Config, Mounts } = await containerOfTask(w1.host, id);
    expect(Config.Env).toEqual(expect.arrayContaining(['HOST=w1', 'SLOT=1', 'COLOR=blue']));
    expect(Config.Hostname).toBe('filled-1');
    expect(Mounts).toMatchObject([{ Name: 'of-filled-1', Destination: `/filled.1.${id}` }]);
  });

  test(item(32, 'missing label'), async () => {
    const { services } = bed();
    const flags = ['--env', `COLOR=${onANode('{{.Service.Labels.color}}')}`, '--restart-condition', 'none'];
    await services.create('unfilled', RUN_ON, flags, { on: 'w1' });
    const rejected = await services.first('unfilled', 'rejected');
    expect(rejected.message).toBe('resolving controller failed');
    expect(rejected.err).toContain('map has no entry for key "color"');
  });

  test(item(33), async () => {
    const { services, w1 } = bed();
    const { manager } = services;
    await payload(manager, 'secret', 'owned', SECRET);
    await payload(manager, 'secret', 'plain', SECRET);
    await payload(manager, 'config', 'conf', 'color=blue');
    await payload(manager, 'config', 'owned-conf', 'color=red');
    const flags = [
      ...['--secret', 'source=owned,target=/etc/app/owned,uid=1000,gid=1001,mode=0440', '--secret', 'plain'],
      ...['--config', 'source=owned-conf,target=/etc/conf,uid=33,gid=34,mode=0404', '--config', 'conf'],
    ];
    await services.create('payload', RUN_ON, flags, { on: 'w1' });
    const { containerId } = await services.runningTask('payload');
    const look = (path: string) =>
      inContainer(w1.host, containerId, `stat -c '%u:%g %a' ${path}; cat ${path}; echo; echo x 2>&1 >>${path} || :`);
    const readOnly = expect.stringMatching(/Read-only file system/);
    expect((await look('/etc/app/owned')).split('\n')).toEqual(['1000:1001 440', SECRET, readOnly]);
    expect((await look('/run/secrets/plain')).split('\n')).toEqual(['0:0 444', SECRET, readOnly]);
    expect((await look('/etc/conf')).split('\n')).toEqual(['33:34 404', 'color=red', readOnly]);
    expect((await look('/conf')).split('\n')).toEqual(['0:0 444', 'color=blue', readOnly]);

    const types = "awk '$2 ~ /owned|plain|conf$/ && $2 !~ /resolv/ { print $3 }' /proc/mounts | sort | uniq -c";
    expect((await inContainer(w1.host, containerId, types)).trim()).toBe('4 tmpfs');
    // Whatever the node keeps on its disk: its own state, the engine's, the files of containers.
    const search = await w1.host.exec(['grep', '-rlF', SECRET, '/var/lib', '/etc', '/root'], { timeoutMs: 60_000 });
    expect(search.stdout).toBe('');
  });

  test(item(34), async () => {
    const { services, w1 } = bed();
    const { manager } = services;
    await payload(manager, 'secret', 'inner-secret', SECRET);
    await payload(manager, 'config', 'inner-config', 'inner text');
    const text = '{{.Service.Name}} {{.Task.Slot}} {{secret "word"}} {{config "/inner"}} {{env "COLOR"}}';
    await payload(manager, 'config', 'rendered', text, '--template-driver', 'golang');
    const flags = [
      ...['--config', 'source=rendered,target=/rendered', '--config', 'source=inner-config,target=/inner'],
      ...['--secret', 'source=inner-secret,target=word', '--env', 'COLOR=blue'],
    ];
    await services.create('rendering', RUN_ON, flags, { on: 'w1' });
    const { containerId } = await services.runningTask('rendering');
    expect(await inContainer(w1.host, containerId, 'cat /rendered')).toBe(`rendering 1 ${SECRET} inner text blue`);
  });
}

async function payload(manager: Host, kind: 'secret' | 'config', name: string, text: string, ...flags: string[]) {
  await manager.run(['docker', kind, 'create', ...flags, name, '-'], { input: text });
}
