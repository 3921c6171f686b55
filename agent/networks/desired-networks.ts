import type { ContainerResolver, DesiredAttachment, DesiredNetwork, DesiredNetworks } from '#netd/desired.ts';
import type { TaskRecord } from '#proto/gen/state/task_record_pb.js';
import {
  type NetworkAttachment,
  type Node,
  type Task,
  TaskState,
  type TaskStatus,
} from '#proto/gen/swarmkit/types_pb.js';
import { type BoundContainer, bindingRow, bindingState, taskAliases } from './binding.ts';
import { desiredNetwork, isIngress, isOverlay } from './desired-network.ts';
import type { EngineDns } from './engine-dns.ts';

/** Everything the networks of this node follow from. */
export interface NetworkFacts {
  /** As the manager last sent it. */
  readonly node: Node;
  readonly tasks: readonly TaskRecord[];
  /** Ids of tasks that are being stopped. */
  readonly draining: ReadonlySet<string>;
  /** The row's names of a container that is not a task's, by the id of its attachment task; absent until found. */
  readonly containers: ReadonlyMap<string, AttachedContainer>;
  readonly engineDns: EngineDns;
  /** The host name in the spec of the task with its templates filled in, if it has one. */
  readonly hostnameOf: (task: Task) => string | undefined;
  readonly vtep: string;
  readonly dataPathPort: number;
}

/** A container somebody else started, on an attachable network. */
export interface AttachedContainer extends BoundContainer {
  readonly name: string;
  readonly aliases: readonly string[];
  /** As given to `docker network connect --gw-priority` and the like. */
  readonly gatewayPriority: number;
  readonly resolver: ContainerResolver;
}

export interface NetworksWanted {
  readonly desired: DesiredNetworks;
  /** Networks that tasks need and cannot have, by id: why, in words. */
  readonly refused: ReadonlyMap<string, string>;
}

const MAC_OPTION = 'com.docker.network.endpoint.macaddress';

/**
 * The overlay networks of the tasks of this node that are not over, and the place of each task on them. The routing mesh
 * is not among them: nothing here can serve it yet.
 */
export function desiredNetworks(facts: NetworkFacts): NetworksWanted {
  const addresses = loadBalancerAddresses(facts.node);
  const networks = new Map<string, DesiredNetwork>();
  const refused = new Map<string, string>();
  const attachments: DesiredAttachment[] = [];
  for (const { task, status } of facts.tasks) {
    if (task === undefined || status === undefined || status.state > TaskState.RUNNING) continue;
    for (const attachment of task.networks) {
      const { network } = attachment;
      if (!isOverlay(network) || isIngress(network) || refused.has(network.id)) continue;
      const wanted = networks.get(network.id) ?? desiredNetwork(network, addresses.get(network.id));
      if (typeof wanted === 'string') {
        refused.set(network.id, wanted);
        continue;
      }
      networks.set(network.id, wanted);
      const place = placeOf(facts, task, status, attachment);
      if (place) attachments.push(place);
    }
  }
  const { vtep, dataPathPort } = facts;
  return { desired: { vtep, dataPathPort, networks: [...networks.values()], attachments }, refused };
}

/** This node's address on each overlay network, with prefix length, by network id (spec swarmkit-worker §5.2). */
export function loadBalancerAddresses(node: Node): ReadonlyMap<string, string> {
  const legacy = node.attachment === undefined ? [] : [node.attachment];
  const entries = [...legacy, ...node.attachments].flatMap(({ network, addresses }): [string, string][] => {
    const [address] = addresses;
    return network === undefined || address === undefined ? [] : [[network.id, address]];
  });
  return new Map(entries);
}

function placeOf(
  facts: NetworkFacts,
  task: Task,
  status: TaskStatus,
  attachment: NetworkAttachment,
): DesiredAttachment | undefined {
  const [address] = attachment.addresses;
  if (address === undefined) return undefined;
  const state = bindingState(status, facts.draining.has(task.id));
  const place = {
    taskId: task.id,
    networkId: attachment.network?.id ?? '',
    address,
    mac: attachment.driverAttachmentOpts[MAC_OPTION]?.toLowerCase(),
  };
  if (task.spec?.runtime.case === 'attachment') {
    const container = facts.containers.get(task.id);
    // Without a name there is no row: peers refuse a row without one.
    if (container === undefined) return { ...place, binding: { state: 'pending', row: plainRow(container) } };
    const resolver = withDefaults(container.resolver, facts.engineDns);
    const { gatewayPriority } = container;
    return { ...place, gatewayPriority, binding: { state, row: plainRow(container) }, resolver };
  }
  const id = status.runtimeStatus.case === 'container' ? status.runtimeStatus.value.containerId : '';
  const row = bindingRow(task, attachment, { id: id || undefined, hostname: facts.hostnameOf(task) });
  return { ...place, binding: { state, row }, resolver: withDefaults(taskResolver(task), facts.engineDns) };
}

/** What the container says nothing of is as the engine has it for all. */
function withDefaults(resolver: ContainerResolver, engine: EngineDns): ContainerResolver {
  const { servers, options } = resolver;
  return {
    ...resolver,
    servers: servers.length > 0 ? servers : engine.servers,
    options: options.length > 0 ? options : engine.options,
  };
}

/** What the task's spec says of names, and whether a network that is not netd's leads it outside. */
function taskResolver(task: Task): ContainerResolver {
  const { runtime } = task.spec ?? {};
  const dns = runtime?.case === 'container' ? runtime.value.dnsConfig : undefined;
  const engineNames = task.networks.some(
    ({ network }) => network?.driverState?.name !== 'overlay' && hasNames(network?.spec?.annotations?.name ?? ''),
  );
  return {
    servers: dns?.nameservers ?? [],
    options: dns?.options ?? [],
    leadsOutside: task.networks.some(
      ({ network }) => network?.driverState?.name !== 'overlay' && network?.spec?.internal !== true,
    ),
    ...(engineNames && { engineNames }),
  };
}

/** Whether containers find each other by name on an engine network that is not netd's: not on those the engine comes with. */
export function hasNames(network: string): boolean {
  return network !== '' && !['bridge', 'host', 'none', 'default'].includes(network);
}

/** The row of a container without a service (spec dataplane §6.2). */
function plainRow(container: AttachedContainer | undefined): DesiredAttachment['binding']['row'] {
  const names = container === undefined ? [] : [...container.aliases, ...taskAliases(container)];
  return {
    name: container?.name ?? '',
    service: undefined,
    virtualIp: undefined,
    ingressPorts: [],
    aliases: [],
    taskAliases: [...new Set(names)].filter((name) => name !== container?.name),
  };
}
