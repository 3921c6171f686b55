import type Docker from 'dockerode';
import { eventually } from './eventually.ts';
import type { Host } from './host.ts';

export type SwarmRole = 'worker' | 'manager';

/** A swarm of real Docker managers. */
export interface Swarm {
  /** The manager that commands go to; set another one when this one is taken down. */
  readonly manager: Host;
  /** Where nodes join: `address:2377` of the first manager. */
  readonly address: string;
  readonly tokens: Readonly<Record<SwarmRole, string>>;
}

export interface SwarmOptions {
  /** Further flags of `docker swarm init`, such as `--cert-expiry 1h`. */
  readonly flags?: readonly string[];
}

/** The port every manager listens on for nodes and other managers. */
export const MANAGER_PORT = 2377;

interface NetworkOfSwarm extends Docker.NetworkInspectInfo {
  readonly Peers?: readonly unknown[] | null;
}

/** It takes a second, where forty engines start many. */
const INGRESS_PATIENCE = { timeoutMs: 60_000, intervalMs: 100 };

/** Makes the host, whose engine must run, the first manager of a new swarm. */
export async function swarmInit(host: Host, options: SwarmOptions = {}): Promise<Swarm> {
  await host.docker('swarm', 'init', '--advertise-addr', host.address, ...(options.flags ?? []));
  await onIngress(host);
  return swarmOf(host);
}

/** What nodes need to join the swarm that the host manages, as it is now: tokens change when rotated. */
export async function swarmOf(manager: Host): Promise<Swarm> {
  const { JoinTokens } = await clusterOf(manager);
  const tokens = { worker: JoinTokens.Worker, manager: JoinTokens.Manager };
  return { manager, address: `${manager.address}:${MANAGER_PORT}`, tokens };
}

/** A swarm as its managers' API shows it, as far as tests look. */
export interface Cluster {
  readonly ID: string;
  readonly JoinTokens: { readonly Worker: string; readonly Manager: string };
  readonly RootRotationInProgress: boolean;
  /** Certificates are PEM. */
  readonly TLSInfo: { readonly TrustRoot: string };
}

export async function clusterOf(manager: Host): Promise<Cluster> {
  return manager.engine.api().swarmInspect();
}

/**
 * Joins the host's own engine, Docker's swarm mode: for further managers, and for workers to compare with.
 *
 * @param flags further ones of `docker swarm join`
 */
export async function dockerJoin(
  host: Host,
  swarm: Swarm,
  role: SwarmRole = 'worker',
  flags: readonly string[] = [],
): Promise<void> {
  const how = ['--token', swarm.tokens[role], '--advertise-addr', host.address, ...flags];
  await host.docker('swarm', 'join', ...how, swarm.address);
  await onIngress(host);
}

/**
 * Waits until the host's dockerd has put itself on the ingress network, as each does when it has joined. One that attaches to
 * two networks at once asks a peer for the rows of both, overlooks one answer, and waits for it for half a minute (spec gossip
 * §18.3 no. 2).
 */
async function onIngress(host: Host): Promise<void> {
  const ingress = host.engine.api().getNetwork('ingress');
  await eventually(
    `dockerd of ${host.name} is on the ingress network`,
    async () => {
      const { Peers }: NetworkOfSwarm = await ingress.inspect();
      return (Peers ?? []).length > 0;
    },
    INGRESS_PATIENCE,
  );
}

/** A row of `docker node ls`. */
export interface NodeRow {
  readonly id: string;
  readonly hostname: string;
  /** `Ready`, `Down`, `Unknown`, `Disconnected`. */
  readonly status: string;
  /** `Active`, `Pause`, `Drain`. */
  readonly availability: string;
  /** `Leader`, `Reachable`, `Unreachable`; empty for workers. */
  readonly managerStatus: string;
}

/** The nodes as a manager sees them. */
export async function swarmNodes(manager: Host): Promise<readonly NodeRow[]> {
  const format = '{{.ID}}\t{{.Hostname}}\t{{.Status}}\t{{.Availability}}\t{{.ManagerStatus}}';
  const lines = await manager.docker('node', 'ls', '--format', format);
  return lines.split('\n').map((line) => {
    const [id = '', hostname = '', status = '', availability = '', managerStatus = ''] = line.split('\t');
    return { id, hostname, status, availability, managerStatus };
  });
}
