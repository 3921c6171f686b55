import { expect, test } from 'vitest';
import { eventually } from '#test/hosts/eventually.ts';
import { partOf } from '../bed-part.ts';
import {
  containersOf,
  inspectNode,
  LOAD_SLACK_MS,
  listedAs,
  nextBeat,
  nodeIdOf,
  nodeIdsOf,
  on,
  PATIENCE,
  ready,
  running,
  runsOn,
  sleepers,
  statesSince,
  statusOf,
  statusWith,
  tasksOf,
} from '../both-sides.ts';
import { item } from '../items.ts';
import type { NodeBed } from '../node-bed.ts';

const SECOND = 1_000;

/** Workers that are killed, cut off, restarted, and told to beat slowly. */
export function absenceItems(bed: () => NodeBed): void {
  test(item(8), async () => {
    await using part = partOf(bed());
    const { changing, worker } = part;
    const { manager } = changing;
    const [dying, living] = await Promise.all([worker('w8', changing), worker('v8', changing)]);
    const began = Date.now();
    const [dyingId, livingId] = [await nodeIdOf(dying), await nodeIdOf(living)];
    await manager.docker('swarm', 'update', '--dispatcher-heartbeat', '20s');
    const slow = ({ session }: { session: { heartbeatPeriodMs: number | null } }) =>
      (session.heartbeatPeriodMs ?? 0) >= 19.5 * SECOND && (session.heartbeatPeriodMs ?? 0) <= 20.5 * SECOND;
    const [{ session }] = await Promise.all([
      statusWith(dying, 'beats slowly', slow),
      statusWith(living, 'beats slowly', slow),
    ]);
    const lastBeat = Date.parse(session.lastHeartbeatAt ?? '');
    await dying.kill();

    const beats = [await nextBeat(living), await nextBeat(living)];
    expect((beats[1] ?? 0) - (beats[0] ?? 0)).toBeGreaterThan(19 * SECOND);

    const silentMs = (await listedAs(manager, dyingId, 'down', { timeoutMs: 90 * SECOND })) - lastBeat;
    expect(silentMs).toBeGreaterThan(58 * SECOND);
    expect(silentMs).toBeLessThan(62 * SECOND + LOAD_SLACK_MS);
    expect(await statesSince(manager, livingId, began)).toEqual([]);
    expect((await inspectNode(manager, livingId)).Status.State).toBe('ready');
  });

  test(item(47), async () => {
    await using part = partOf(bed());
    const { common, loneWorker } = part;
    const { manager } = common;
    const [cut, whole] = await Promise.all([loneWorker('w47'), loneWorker('v47')]);
    const [cutId, wholeId] = [await nodeIdOf(cut), await nodeIdOf(whole)];
    for (const id of [cutId, wholeId]) await manager.docker('node', 'update', '--label-add', 'part=47', id);
    const service = await sleepers(manager, 'web47', '--replicas', '2', '--constraint', 'node.labels.part==47');
    const [stale] = await runsOn(cut.host, service);
    await runsOn(whole.host, service);

    await cut.host.linkDown();
    const cutAt = Date.now();
    await listedAs(manager, cutId, 'down');
    await runsOn(whole.host, service, 2);
    const { cluster } = await statusWith(cut, 'names the problem', ({ problems }) =>
      problems.some(({ code, severity }) => code === 'manager-unreachable' && severity === 'error'),
    );
    expect(cluster.state).toBe('disconnected');
    await new Promise((resolve) => setTimeout(resolve, cutAt + 60 * SECOND - Date.now())); // the item is about time
    expect(await containersOf(cut.host, service)).toEqual([stale]); // nobody has told it to stop

    await cut.host.linkUp();
    await listedAs(manager, cutId, 'ready');
    await eventually(
      'the stale task is gone',
      async () => (await containersOf(cut.host, service)).length === 0,
      PATIENCE,
    );
    const tasks = await running(manager, service, 2);
    expect(tasks.map(({ Slot }) => Slot).sort()).toEqual([1, 2]);
    await eventually(
      'the manager knows how the stale task ended',
      async () =>
        (await tasksOf(manager, service)).every(
          ({ NodeID, Status }) => NodeID !== cutId || Status.State === 'shutdown',
        ),
      PATIENCE,
    );
    expect(await containersOf(whole.host, service)).toHaveLength(2);
  });

  test(item(6), async () => {
    await using part = partOf(bed());
    const { common, worker } = part;
    const node = await worker('w6');
    const nodeId = await nodeIdOf(node);
    const lastBeat = await nextBeat(node);
    await node.kill();
    const silentMs = (await listedAs(common.manager, nodeId, 'down')) - lastBeat;
    expect(silentMs).toBeGreaterThan(13 * SECOND);
    expect(silentMs).toBeLessThan(17 * SECOND + LOAD_SLACK_MS);
    expect((await inspectNode(common.manager, nodeId)).Status.Message).toBe('heartbeat failure');
  });

  test(item(7), async () => {
    await using part = partOf(bed());
    const { manager } = part.common;
    const node = await part.worker('w7');
    const nodeId = await nodeIdOf(node);
    const service = await sleepers(manager, 'web7', ...on(node));
    await running(manager, service);
    const [container = ''] = await runsOn(node.host, service);
    const before = await node.host.engine.api().getContainer(container).inspect();
    const began = Date.now();

    for (const end of ['stop', 'kill'] as const) {
      await node[end]();
      await node.start();
      await ready(node);
      const { cluster, session } = await statusOf(node);
      expect(cluster.nodeId).toBe(nodeId);
      expect(session.failures).toBe(0);
      await nextBeat(node);
    }
    expect(await nodeIdsOf(manager, node)).toEqual([nodeId]);
    expect(await statesSince(manager, nodeId, began)).not.toContain('down');
    const after = await node.host.engine.api().getContainer(container).inspect();
    expect(after.State).toEqual(before.State);
    expect((await tasksOf(manager, service)).map(({ Status }) => Status.State)).toEqual(['running']);
  });
}
