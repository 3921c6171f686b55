import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { eventually } from '#test/hosts/eventually.ts';
import { partOf } from '../bed-part.ts';
import {
  containersOf,
  inspectNode,
  LOAD_SLACK_MS,
  nextBeat,
  nodeIdOf,
  on,
  PATIENCE,
  ready,
  running,
  runsOn,
  sleepers,
  statesSince,
  statusOf,
  tasksOf,
} from '../both-sides.ts';
import { item } from '../items.ts';
import type { NodeBed } from '../node-bed.ts';

/** How often a node looks at what it says of itself. */
const LOOK_MS = 20_000;
const SECRETS = 20;
const SECRET_BYTES = 400 * 1024;

/** What a node tells its manager of itself, and how much it can be told. */
export function descriptionItems(bed: () => NodeBed): void {
  test(item(45), async () => {
    await using part = partOf(bed());
    const { common, loneWorker } = part;
    const { manager } = common;
    const node = await loneWorker('w45', common, { liveRestore: true, labels: ['zone=a'] });
    const nodeId = await nodeIdOf(node);
    const service = await sleepers(manager, 'web45', ...on(node));
    await running(manager, service);
    const [container = ''] = await runsOn(node.host, service);
    const life = async () => (await node.host.engine.api().getContainer(container).inspect()).State;
    const before = await life();
    const began = Date.now();
    const described = async () => (await inspectNode(manager, nodeId)).Description;
    expect((await described()).Engine.Labels).toEqual({ agent: 'w45', zone: 'a' });

    const restartedAt = Date.now();
    await node.host.engine.restart({ liveRestore: true, labels: ['zone=b'] });
    await eventually('the label is known', async () => (await described()).Engine.Labels?.zone === 'b', PATIENCE);
    expect(Date.now() - restartedAt).toBeLessThan(LOOK_MS + LOAD_SLACK_MS);

    const memory = (await node.host.engine.api().info()).MemTotal;
    const halfKib = Math.floor(memory / 2048);
    const meminfo = (await node.host.run(['cat', '/proc/meminfo'])).replace(
      /^MemTotal:\s+\d+/m,
      `MemTotal: ${halfKib}`,
    );
    writeFileSync(node.host.path('/run/meminfo'), `${meminfo}\n`);
    await node.host.run(['mount', '--bind', '/run/meminfo', '/proc/meminfo']);
    await node.host.engine.restart(); // newer engines look at the memory only when they start
    const changedAt = Date.now();
    const halved = async () => (await described()).Resources.MemoryBytes === halfKib * 1024;
    await eventually('the memory is known', halved, PATIENCE);
    expect(Date.now() - changedAt).toBeLessThan(LOOK_MS + LOAD_SLACK_MS);

    await ready(node);
    expect(await life()).toEqual(before);
    expect((await tasksOf(manager, service)).map(({ Status }) => Status.State)).toEqual(['running']);
    expect((await statesSince(manager, nodeId, began)).filter((state) => state === 'down')).toEqual([]);
  });

  test(item(50), async () => {
    await using part = partOf(bed());
    const { common, worker } = part;
    const { manager } = common;
    const node = await worker('w50');
    const names = Array.from({ length: SECRETS }, (_, i) => `large${i}`);
    const Data = Buffer.alloc(SECRET_BYTES, 'x').toString('base64');
    await Promise.all(names.map((Name) => manager.engine.api().createSecret({ Name, Data })));
    const service = await sleepers(manager, 'web50', ...on(node), ...names.flatMap((name) => ['--secret', name]));
    await running(manager, service);
    const [container = ''] = await runsOn(node.host, service);
    const script = 'cat /run/secrets/* | wc -c';
    expect(await node.host.docker('exec', container, 'sh', '-c', script)).toBe(`${SECRETS * SECRET_BYTES}`);

    await node.restart();
    await ready(node);
    await nextBeat(node);
    expect((await statusOf(node)).session.failures).toBe(0);
    expect(await containersOf(node.host, service)).toEqual([container]);
    // A task that begins now gets its secrets from the one message the node was sent when it came back.
    await manager.docker('service', 'scale', '--detach', 'web50=2');
    await running(manager, service, 2);
  });
}
