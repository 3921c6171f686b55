import { type Bed, createBed } from '#test/hosts/bed.ts';
import type { EngineName } from '#test/hosts/engine-roots.ts';
import { eventually } from '#test/hosts/eventually.ts';
import type { Host } from '#test/hosts/host.ts';
import { BUSYBOX } from '#test/hosts/image.ts';
import { startNetd } from '#test/hosts/netd.ts';
import { dockerJoin, swarmInit, swarmNodes } from '#test/hosts/swarm.ts';

export type Side = 'ours' | 'docker';

/** Two nodes of each kind in one swarm: what differs between the sides is who carries the network. */
export interface OverlayStage extends AsyncDisposable {
  readonly manager: Host;
  readonly nodes: Readonly<Record<Side, readonly [Host, Host]>>;
}

/** A container of the service `peer`. */
export interface Peer {
  /** File of its network namespace. */
  readonly namespace: string;
  readonly ip: string;
}

export const OVERLAY = 'bench';
const PEER_SERVICE = 'peer';

/** A manager, two netd workers and two Docker workers, and an overlay network that nobody uses yet. */
export async function setOverlayStage(engine?: EngineName): Promise<OverlayStage> {
  const bed = await createBed(engine === undefined ? {} : { engine });
  try {
    const manager = await bed.host('manager');
    const nodes = { ours: await twoHosts(bed, 'ours'), docker: await twoHosts(bed, 'docker') };
    const workers = [...nodes.ours, ...nodes.docker];
    await Promise.all([
      ...[manager, ...nodes.docker].map((host) => host.engine.start()),
      ...nodes.ours.map((host) => host.engine.start({ liveRestore: true })),
    ]);
    await Promise.all(workers.map((host) => host.engine.load()));
    const swarm = await swarmInit(manager);
    await manager.docker('node', 'update', '--availability', 'drain', 'manager');
    await Promise.all([
      ...nodes.ours.map(async (host) => (await startNetd(host)).join(swarm)),
      ...nodes.docker.map((host) => dockerJoin(host, swarm)),
    ]);
    await eventually('all nodes are ready', async () => {
      const rows = await swarmNodes(manager);
      return rows.length === 5 && rows.every(({ status }) => status === 'Ready');
    });
    await manager.docker('network', 'create', '--driver', 'overlay', OVERLAY);
    return { manager, nodes, [Symbol.asyncDispose]: () => bed.end() };
  } catch (error) {
    await bed.end();
    throw error;
  }
}

async function twoHosts(bed: Bed, side: Side): Promise<readonly [Host, Host]> {
  return Promise.all([bed.host(`${side}1`), bed.host(`${side}2`)]);
}

/** One container on each node, all on the network; each side's two reach each other. */
export async function startPeers({ manager, nodes }: OverlayStage): Promise<Record<Side, readonly [Peer, Peer]>> {
  const flags = ['--detach', '--no-resolve-image', '--mode', 'global', '--constraint', 'node.role==worker'];
  const network = ['--endpoint-mode', 'dnsrr', '--network', OVERLAY];
  await manager.docker('service', 'create', ...flags, ...network, '--name', PEER_SERVICE, BUSYBOX, 'sleep', '100000');
  const pair = async ([first, second]: readonly [Host, Host]): Promise<readonly [Peer, Peer]> => {
    const peers = [await peerOn(first), await peerOn(second)] as const;
    await eventually('the containers of both nodes reach each other', () => pings(second, peers[1], peers[0]));
    return peers;
  };
  return { ours: await pair(nodes.ours), docker: await pair(nodes.docker) };
}

async function peerOn(host: Host): Promise<Peer> {
  const filter = ['--filter', `label=com.docker.swarm.service.name=${PEER_SERVICE}`];
  const id = await eventually(`a container on ${host.name}`, async () => {
    return (await host.docker('ps', '--quiet', ...filter)) || false;
  });
  const format = `{{.NetworkSettings.SandboxKey}} {{(index .NetworkSettings.Networks "${OVERLAY}").IPAddress}}`;
  const [key = '', ip = ''] = (await host.docker('inspect', '--format', format, id)).split(' ');
  return { namespace: host.path(key.replace('/var/run', '/run')), ip };
}

async function pings(host: Host, from: Peer, to: Peer): Promise<boolean> {
  const inside = from.namespace.slice(from.namespace.indexOf('/run/docker'));
  const ping = ['nsenter', `--net=${inside}`, 'ping', '-c', '1', '-W', '1', to.ip];
  return (await host.exec(ping)).exitCode === 0;
}
