import { expect, test } from 'vitest';
import { busyboxImage } from '#test/hosts/image.ts';
import { item } from '../items.ts';
import { RUN_ON } from '../services.ts';
import { LOGIN, type TaskBed } from '../task-bed.ts';
import { containerOfTask, inContainer } from '../worker-containers.ts';

/** Where the file system of a task comes from. */
export function imageItems(bed: () => TaskBed): void {
  test(item(19), async () => {
    const { services } = bed();
    await services.create('no-image', RUN_ON, [], { on: 'w1', image: 'netd/not-there:1' });
    const rejected = await services.when('no-image', 'four rejected', (tasks) => {
      const over = tasks.filter(({ state }) => state === 'rejected');
      return over.length >= 4 && over.slice(0, 4);
    });
    for (const { err, message } of rejected) {
      expect(err).toBe('No such image: netd/not-there:1');
      expect(message).toBe('preparing');
    }
    expect(await services.ps('no-image', '{{.CurrentState}} {{.Error}}')).toContainEqual(
      expect.stringMatching(/^Rejected .* ago "No such image: netd\/not-there:1"$/),
    );
    // The first replacement is made at once and prepares, and so fails, before its delay has passed; from then on every
    // one follows the end of the delay of the one before it.
    const begun = rejected.slice(1).map(({ createdMs }) => createdMs);
    for (const [index, createdMs] of begun.slice(1).entries()) {
      const gapMs = createdMs - (begun[index] ?? 0);
      expect(gapMs).toBeGreaterThan(4000);
      expect(gapMs).toBeLessThan(20_000);
    }
    await services.remove('no-image');
  });

  test(item(20), async () => {
    const { services, registry, w1 } = bed();
    const { tagged } = registry.put(busyboxImage({ Env: ['WORD=private'] }), 'private/app', '1');
    const { username, password } = LOGIN;
    await services.manager.docker('login', '--username', username, '--password', password, registry.address);
    const place = ['--constraint', 'node.hostname==w1'];
    const given = ['--detach', '--with-registry-auth', '--name', 'private', ...place];
    await services.manager.docker('service', 'create', ...given, tagged, 'sh', '-c', RUN_ON);
    const task = await services.runningTask('private');
    expect(await inContainer(w1.host, task.containerId, 'echo $WORD')).toBe('private');
    const { Config } = await containerOfTask(w1.host, task.id);
    expect(Config.Image).toMatch(`${tagged}@sha256:`);
    const layers = registry.requests.filter(({ path, status }) => path.includes('/blobs/') && status === 200);
    expect(layers.length).toBeGreaterThan(0);
    expect(layers.every((request) => request.username === username)).toBe(true);
  });
}
