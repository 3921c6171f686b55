import { beforeAll, expect, test } from 'vitest';
import { eventually } from '#test/hosts/eventually.ts';
import type { Swarm } from '#test/hosts/swarm.ts';
import {
  containersOf,
  inspectNode,
  LOAD_SLACK_MS,
  listedAs,
  nextBeat,
  nodeIdOf,
  nodeIdsNamed,
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
} from './both-sides.ts';
import { item } from './items.ts';
import { describeEachManagerAtOnce } from './versions.ts';

const SECOND = 1_000;

describeEachManagerAtOnce('a worker that is away', (hosts) => {
  let swarm: Swarm;
  let slowSwarm: Swarm;
  beforeAll(async () => {
    const slowly = ['--dispatcher-heartbeat', '5s'];
    [swarm, slowSwarm] = await Promise.all([hosts.swarm('m1'), hosts.swarm('m2', { flags: slowly })]);
  });

  test(item(8), async () => {
    const { manager } = slowSwarm;
    const [dying, living] = await Promise.all([hosts.worker('w8', slowSwarm), hosts.worker('v8', slowSwarm)]);
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
    const { manager } = swarm;
    const [cut, whole] = await Promise.all([hosts.worker('w47', swarm), hosts.worker('v47', swarm)]);
    const cutId = await nodeIdOf(cut);
    for (const { host } of [cut, whole]) await manager.docker('node', 'update', '--label-add', 'part=47', host.name);
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
    const node = await hosts.worker('w6', swarm);
    const nodeId = await nodeIdOf(node);
    const lastBeat = await nextBeat(node);
    await node.kill();
    const silentMs = (await listedAs(swarm.manager, nodeId, 'down')) - lastBeat;
    expect(silentMs).toBeGreaterThan(13 * SECOND);
    expect(silentMs).toBeLessThan(17 * SECOND + LOAD_SLACK_MS);
    expect((await inspectNode(swarm.manager, nodeId)).Status.Message).toBe('heartbeat failure');
  });

  test(item(7), async () => {
    const { manager } = swarm;
    const node = await hosts.worker('w7', swarm);
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
    expect(await nodeIdsNamed(manager, 'w7')).toEqual([nodeId]);
    expect(await statesSince(manager, nodeId, began)).toEqual([]);
    const after = await node.host.engine.api().getContainer(container).inspect();
    expect(after.State).toEqual(before.State);
    expect((await tasksOf(manager, service)).map(({ Status }) => Status.State)).toEqual(['running']);
  });
});
