import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '#test/hosts/eventually.ts';
import type { Host } from '#test/hosts/host.ts';
import type { Netd } from '#test/hosts/netd.ts';
import { dockerJoin, MANAGER_PORT, type Swarm } from '#test/hosts/swarm.ts';
import { usePart } from '../bed-part.ts';
import {
  containersOf,
  LOAD_SLACK_MS,
  listedAs,
  listNodes,
  nextBeat,
  nodeIdOf,
  on,
  PATIENCE,
  ready,
  running,
  runsOn,
  sleepers,
  statusOf,
  statusWith,
  tasksOf,
} from '../both-sides.ts';
import { item } from '../items.ts';
import type { NodeBed } from '../node-bed.ts';

/** Managers that go and come. One test after the other: they take the managers of one swarm away and give them back. */
export function managerItems(bed: () => NodeBed): void {
  describe('of a swarm with three managers', { concurrent: true }, () => useThreeManagers(bed));
}

function useThreeManagers(bed: () => NodeBed): void {
  const part = usePart(bed);
  let swarm: Swarm;
  let managers: readonly Host[];
  let node: Netd;
  let nodeId: string;
  let service: string;
  let container: string;

  beforeAll(async () => {
    swarm = await part().swarm('raft1');
    const others = await Promise.all(['raft2', 'raft3'].map((name) => part().engineHost(name)));
    for (const host of others) await dockerJoin(host, swarm, 'manager');
    managers = [swarm.manager, ...others];
    node = await part().worker('w11', swarm);
    nodeId = await nodeIdOf(node);
    service = await sleepers(swarm.manager, 'web11', ...on(node));
    [container = ''] = await runsOn(node.host, service);
    await running(swarm.manager, service);
  });

  const addressOf = (host: Host) => `${host.address}:${MANAGER_PORT}`;
  /** As a restart would find them. */
  const remembered = (): readonly string[] => {
    const { managers } = JSON.parse(readFileSync(node.host.path(`${node.stateDir}/state.json`), 'utf8'));
    return managers.map(({ addr }: { addr: string }) => addr).sort();
  };
  const remembers = (expected: readonly Host[]) =>
    eventually(
      'the worker remembers these managers and no other',
      async () => {
        const known = (await statusOf(node)).managers.map(({ addr }) => addr).sort();
        const wanted = expected.map(addressOf).sort().join();
        return known.join() === wanted && remembered().join() === wanted;
      },
      PATIENCE,
    );
  /** The manager of the present session. */
  const ofSession = async (): Promise<Host> => {
    const { session } = await ready(node);
    const host = managers.find((manager) => addressOf(manager) === session.manager?.addr);
    if (host === undefined) throw new Error(`no manager is at ${session.manager?.addr}`);
    return host;
  };
  const otherThan = (host: Host): Host => {
    const other = managers.find((manager) => manager !== host);
    if (other === undefined) throw new Error('there is only one manager');
    return other;
  };
  const quorum = (host: Host, count: number) =>
    eventually(
      `${count} managers are reachable`,
      async () => {
        const nodes = await listNodes(host);
        return nodes.filter(({ ManagerStatus }) => ManagerStatus?.Reachability === 'reachable').length === count;
      },
      PATIENCE,
    );
  const leader = async (host: Host): Promise<Host> => {
    const name = (await listNodes(host)).find(({ ManagerStatus }) => ManagerStatus?.Leader)?.Description.Hostname;
    const found = managers.find((manager) => manager.name === name);
    if (found === undefined) throw new Error(`no leader among the managers: ${name}`);
    return found;
  };
  const untouched = async (manager: Host) => {
    expect(await containersOf(node.host, service)).toEqual([container]);
    expect((await tasksOf(manager, service)).map(({ Status }) => Status.State)).toEqual(['running']);
  };

  test(item(13), { concurrent: false }, async () => {
    const { manager } = swarm;
    const fourth = await part().engineHost('raft4');
    await dockerJoin(fourth, swarm);
    await remembers(managers);
    await manager.docker('node', 'promote', fourth.name);
    await remembers([...managers, fourth]);
    await quorum(manager, 4); // only then can it be demoted
    await manager.docker('node', 'demote', fourth.name);
    await remembers(managers);
    await fourth.engine.kill();
  });

  test(item(12), { concurrent: false }, async () => {
    // Without its leader a swarm takes longer than 10 s to be one again: that is another item.
    const stopped = await eventually(
      'the session is with a follower',
      async () => {
        const manager = await ofSession();
        if (manager !== (await leader(swarm.manager))) return manager;
        await node.restart();
        return undefined;
      },
      PATIENCE,
    );
    await stopped.engine.stop();
    const stoppedAt = Date.now();
    const { session } = await statusWith(
      node,
      'has a session with another manager',
      ({ session }) => session.manager !== null && session.manager.addr !== addressOf(stopped),
    );
    expect(Date.parse(session.since ?? '') - stoppedAt).toBeLessThan(10_000 + LOAD_SLACK_MS);
    expect(remembered()).toEqual(managers.map(addressOf).sort());
    await nextBeat(node);
    await untouched(otherThan(stopped));
    await stopped.engine.start();
    await quorum(otherThan(stopped), 3);
  });

  test(item(11), { concurrent: false }, async () => {
    const killed = await leader(swarm.manager);
    const survivor = otherThan(killed);
    await killed.engine.kill();
    const killedAt = Date.now();
    await eventually('there is another leader', async () => (await leader(survivor)) !== killed, PATIENCE);
    await listedAs(survivor, nodeId, 'ready');
    expect(Date.now() - killedAt).toBeLessThan(30_000 + LOAD_SLACK_MS);
    await nextBeat(node);
    await untouched(survivor);
    await killed.engine.start();
    await quorum(survivor, 3);
  });

  test('all managers go, and come back: tasks go on running', { concurrent: false }, async () => {
    await Promise.all(managers.map((manager) => manager.engine.kill()));
    await statusWith(node, 'misses its managers', ({ problems }) =>
      problems.some(({ code, severity }) => code === 'manager-unreachable' && severity === 'error'),
    );
    await node.restart();
    expect(await containersOf(node.host, service)).toEqual([container]);
    await Promise.all(managers.map((manager) => manager.engine.start()));
    await quorum(swarm.manager, 3);
    await listedAs(swarm.manager, nodeId, 'ready');
    await nextBeat(node);
    await untouched(swarm.manager);
  });
}
