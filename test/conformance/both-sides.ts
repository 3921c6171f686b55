import { createApiClient } from '#agent/api/client.ts';
import type { StatusDocument } from '#agent/api/documents.ts';
import { type EventuallyOptions, eventually } from '#test/hosts/eventually.ts';
import type { Host } from '#test/hosts/host.ts';
import { BUSYBOX } from '#test/hosts/image.ts';
import type { Netd } from '#test/hosts/netd.ts';

// A node as it says itself, and as its manager says.

/** What this machine under load may add to a time that a test measures. */
export const LOAD_SLACK_MS = 3_000;
/** For what takes seconds when nothing else runs. */
export const PATIENCE: EventuallyOptions = { timeoutMs: 60_000, intervalMs: 100 };

/** What `netd status --json` says. */
export async function statusOf(node: Netd): Promise<StatusDocument> {
  return (await createApiClient(node.socketPath).status()).document;
}

/** Waits for a status of which `check` holds. */
export async function statusWith(
  node: Netd,
  description: string,
  check: (status: StatusDocument) => boolean,
  options: EventuallyOptions = PATIENCE,
): Promise<StatusDocument> {
  return eventually(
    `${node.name} on ${node.host.name}: ${description}`,
    async () => {
      const status = await statusOf(node);
      if (check(status)) return status;
      throw new Error(JSON.stringify({ ...status.cluster, session: status.session, problems: status.problems }));
    },
    options,
  );
}

/** Waits until the node says that it is Ready. */
export async function ready(node: Netd, options?: EventuallyOptions): Promise<StatusDocument> {
  return statusWith(node, 'is Ready', ({ cluster }) => cluster.state === 'ready', options);
}

/** Codes of the problems that the node names. */
export function problemCodes({ problems }: StatusDocument): readonly string[] {
  return problems.map(({ code }) => code);
}

/** @throws Error when it has not joined */
export async function nodeIdOf(node: Netd): Promise<string> {
  const { nodeId } = (await statusOf(node)).cluster;
  if (nodeId === null) throw new Error(`${node.host.name} is not part of a swarm`);
  return nodeId;
}

/** Waits for the manager's next answer to a heartbeat. Gives the moment, in milliseconds since the epoch. */
export async function nextBeat(node: Netd): Promise<number> {
  const before = (await statusOf(node)).session.lastHeartbeatAt;
  const { session } = await statusWith(node, 'beats', ({ session }) => session.lastHeartbeatAt !== before, {
    ...PATIENCE,
    intervalMs: 20,
  });
  return Date.parse(session.lastHeartbeatAt ?? '');
}

/** A node as a manager's API shows it, as far as tests look. */
export interface NodeObject {
  readonly ID: string;
  readonly Spec: { readonly Role: string; readonly Availability: string };
  readonly Description: {
    readonly Hostname: string;
    readonly Platform: { readonly Architecture: string; readonly OS: string };
    readonly Resources: { readonly NanoCPUs: number; readonly MemoryBytes: number };
    readonly Engine: {
      readonly EngineVersion: string;
      readonly Labels?: Readonly<Record<string, string>>;
      readonly Plugins: readonly { readonly Type: string; readonly Name: string }[];
    };
    readonly TLSInfo: {
      readonly TrustRoot: string;
      readonly CertIssuerSubject: string;
      readonly CertIssuerPublicKey: string;
    };
  };
  readonly Status: { readonly State: string; readonly Message?: string; readonly Addr: string };
  /** Of a manager. */
  readonly ManagerStatus?: { readonly Leader?: boolean; readonly Reachability: string };
}

export async function inspectNode(manager: Host, nodeId: string): Promise<NodeObject> {
  return manager.engine.api().getNode(nodeId).inspect();
}

export async function listNodes(manager: Host): Promise<readonly NodeObject[]> {
  return manager.engine.api().listNodes();
}

/** Ids of all nodes a manager lists that say they are this agent, by its label (see node-bed.ts). */
export async function nodeIdsOf(manager: Host, node: Netd): Promise<readonly string[]> {
  const nodes = await listNodes(manager);
  return nodes.filter(({ Description }) => Description?.Engine?.Labels?.agent === node.name).map(({ ID }) => ID);
}

/** Waits until the manager lists the node in a state, such as `down`. Gives the moment it was seen. */
export async function listedAs(
  manager: Host,
  nodeId: string,
  state: string,
  options: EventuallyOptions = PATIENCE,
): Promise<number> {
  return eventually(
    `${nodeId} is listed as ${state}`,
    async () => (await inspectNode(manager, nodeId)).Status.State === state && Date.now(),
    options,
  );
}

/** Every state the node has entered since the moment (milliseconds since the epoch), as the manager's events tell. */
export async function statesSince(manager: Host, nodeId: string, sinceMs: number): Promise<readonly string[]> {
  const until = `${(Date.now() + 1000) / 1000}`; // past events only, but with those of this second
  const range = ['--since', `${sinceMs / 1000}`, '--until', until];
  const format = '{{.Actor.ID}} {{index .Actor.Attributes "state.new"}}';
  const lines = await manager.docker('events', ...range, '--filter', 'type=node', '--format', format);
  const words = lines.split('\n').map((line) => line.split(' '));
  return words.flatMap(([id, state = '']) => (id === nodeId && state !== '' ? [state] : []));
}

/** A service of sleeping tasks, with further flags of `docker service create`. Gives its id. */
export async function sleepers(manager: Host, name: string, ...flags: readonly string[]): Promise<string> {
  const command = [BUSYBOX, 'sleep', '100000'];
  const quiet = ['--detach', '--quiet', '--no-resolve-image', '--stop-grace-period', '1s'];
  return manager.docker('service', 'create', ...quiet, '--name', name, ...flags, ...command);
}

/** Keeps a service on one node, by its label (see node-bed.ts). */
export function on(node: Netd): readonly string[] {
  return ['--constraint', `engine.labels.agent==${node.name}`];
}

/** Ids of the running containers that a host has for a service. */
export async function containersOf(host: Host, serviceId: string): Promise<readonly string[]> {
  const filters = { label: [`com.docker.swarm.service.id=${serviceId}`] };
  return (await host.engine.api().listContainers({ filters })).map(({ Id }) => Id);
}

/** Waits until the manager says that so many tasks of the service run, and the host has as many containers. Gives their ids. */
export async function runsOn(host: Host, serviceId: string, count = 1): Promise<readonly string[]> {
  return eventually(
    `${host.name} runs ${count} tasks of ${serviceId}`,
    async () => {
      const ids = await containersOf(host, serviceId);
      return ids.length === count && ids;
    },
    PATIENCE,
  );
}

/** A task as a manager's API shows it, as far as tests look. */
export interface TaskObject {
  readonly ID: string;
  readonly Slot?: number;
  readonly NodeID?: string;
  readonly DesiredState: string;
  readonly Status: {
    readonly State: string;
    readonly Err?: string;
    readonly ContainerStatus?: { readonly ContainerID: string };
  };
}

export async function tasksOf(manager: Host, serviceId: string): Promise<readonly TaskObject[]> {
  return manager.engine.api().listTasks({ filters: { service: [serviceId] } });
}

/** Waits until so many tasks of the service run, as the manager says. */
export async function running(manager: Host, serviceId: string, count = 1): Promise<readonly TaskObject[]> {
  return eventually(
    `${count} tasks of ${serviceId} run`,
    async () => {
      const tasks = (await tasksOf(manager, serviceId)).filter(({ Status }) => Status.State === 'running');
      return tasks.length === count && tasks;
    },
    PATIENCE,
  );
}
