import { type Bed, createBed } from '#test/hosts/bed.ts';
import { eventually } from '#test/hosts/eventually.ts';
import type { Host } from '#test/hosts/host.ts';
import { type Netd, startNetd } from '#test/hosts/netd.ts';
import { dockerJoin, swarmInit, swarmNodes } from '#test/hosts/swarm.ts';

/** One manager and two workers that differ only in who is the worker: netd, or the engine's own swarm mode. */
export interface Stage extends AsyncDisposable {
  readonly bed: Bed;
  readonly manager: Host;
  readonly netdHost: Host;
  readonly netd: Netd;
  readonly dockerHost: Host;
}

export async function setStage(): Promise<Stage> {
  const bed = await createBed();
  try {
    const [manager, netdHost, dockerHost] = await Promise.all(
      ['manager', 'ours', 'docker'].map((name) => bed.host(name)),
    );
    if (!manager || !netdHost || !dockerHost) throw new Error('three hosts were asked for');
    await Promise.all([
      manager.engine.start(),
      netdHost.engine.start({ liveRestore: true }),
      dockerHost.engine.start(),
    ]);
    await Promise.all([netdHost.engine.load(), dockerHost.engine.load()]);
    const swarm = await swarmInit(manager);
    await manager.docker('node', 'update', '--availability', 'drain', 'manager');
    const netd = await startNetd(netdHost);
    await Promise.all([netd.join(swarm), dockerJoin(dockerHost, swarm)]);
    await eventually('all nodes are ready', async () => {
      const nodes = await swarmNodes(manager);
      return nodes.length === 3 && nodes.every((node) => node.status === 'Ready');
    });
    return { bed, manager, netdHost, netd, dockerHost, [Symbol.asyncDispose]: () => bed.end() };
  } catch (error) {
    await bed.end();
    throw error;
  }
}
