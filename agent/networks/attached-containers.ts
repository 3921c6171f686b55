import type { ContainerInspect, Engine } from '#agent/engine/engine.ts';
import { errorText } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import { createReconciler } from '#base/reconciler.ts';
import { NETD_DRIVER } from '#netd/driver/options.ts';
import type { Task } from '#proto/gen/swarmkit/types_pb.js';
import { type AttachedContainer, hasNames } from './desired-networks.ts';

/** Finds out which containers the endpoints of attachment tasks belong to: the engine tells its drivers no names. */
export interface AttachedContainers {
  readonly find: (task: Task, endpointId: string) => void;
  readonly forget: (taskId: string) => void;
  /** What is known of this container, or of all, may have changed: it is looked at again. */
  readonly look: (containerId?: string) => void;
  readonly close: () => Promise<void>;
}

interface Place {
  readonly network: string;
  readonly endpointId: string;
  /** Once it is found. */
  containerId?: string | undefined;
}

/** The engine shows an endpoint on a container a moment after the driver has made it. */
const RETRY_MS = 200;
const AT_ONCE = 4;

export function createAttachedContainers(
  engine: Engine,
  found: (taskId: string, container: AttachedContainer) => void,
  log: Logger,
): AttachedContainers {
  const places = new Map<string, Place>();
  const wanted = new Set<string>();
  const reconciler = createReconciler({
    pass: async (taskId) => {
      const place = places.get(taskId);
      if (place === undefined || !wanted.delete(taskId)) return;
      try {
        const container = await attachedContainer(engine, place.network, place.endpointId);
        if (places.get(taskId) !== place) return; // gone meanwhile
        if (container === undefined) throw new Error(`no container has endpoint ${place.endpointId} yet`);
        place.containerId = container.id;
        found(taskId, container);
      } catch (error) {
        if (places.get(taskId) === place) wanted.add(taskId);
        throw error;
      }
    },
    onError: (taskId, error) => log.debug({ task: taskId, error: errorText(error) }, 'a container is not found yet'),
    concurrency: AT_ONCE,
    retryMs: RETRY_MS,
  });
  return {
    find: (task, endpointId) => {
      const network = task.networks[0]?.network?.spec?.annotations?.name;
      if (network === undefined || wanted.has(task.id)) return;
      places.set(task.id, { network, endpointId });
      wanted.add(task.id);
      reconciler.mark(task.id);
    },
    look: (containerId) => {
      for (const [taskId, place] of places) {
        const isAnother =
          place.containerId !== undefined && containerId !== undefined && place.containerId !== containerId;
        if (isAnother) continue;
        wanted.add(taskId);
        reconciler.mark(taskId);
      }
    },
    forget: (taskId) => {
      places.delete(taskId);
      wanted.delete(taskId);
      reconciler.forget(taskId);
    },
    close: reconciler.stop,
  };
}

async function containerOf(engine: Engine, network: string, endpointId: string): Promise<string | undefined> {
  const { Containers: containers } = (await engine.inspectNetwork(network)) ?? {};
  return Object.entries(containers ?? {}).find(([, one]) => one.EndpointID === endpointId)?.[0];
}

/** Has the engine take the container of an endpoint off its network; nothing if the engine knows of none. */
export async function disconnectContainer(engine: Engine, task: Task, endpointId: string): Promise<void> {
  const network = task.networks[0]?.network?.spec?.annotations?.name;
  const id = network === undefined ? undefined : await containerOf(engine, network, endpointId);
  if (network !== undefined && id !== undefined) await engine.disconnectNetwork(network, id);
}

async function attachedContainer(engine: Engine, network: string, endpointId: string) {
  const id = await containerOf(engine, network, endpointId);
  const inspect = id === undefined ? undefined : await engine.inspectContainer(id);
  if (inspect === undefined) return undefined;
  const ofSwarm = new Set((await engine.listNetworks(NETD_DRIVER)).map(({ Name }) => Name));
  return containerNames(inspect, network, ofSwarm);
}

/** `GwPriority` came with API 1.48. */
interface EndpointFacts {
  readonly Aliases?: readonly string[] | null | undefined;
  readonly GwPriority?: number;
}

/**
 * What others find a container by, as Docker's own nodes publish it: name, then aliases, short id and host name.
 *
 * @param ofSwarm names of the engine's networks that stand for networks of the swarm
 */
export function containerNames(
  inspect: ContainerInspect,
  network: string,
  ofSwarm: ReadonlySet<string>,
): AttachedContainer {
  const { Id: id, Name: name, Config: config, HostConfig: host, NetworkSettings: settings } = inspect;
  const engineNames = Object.keys(settings.Networks).some((name) => hasNames(name) && !ofSwarm.has(name));
  const endpoint: EndpointFacts | undefined = settings.Networks[network];
  return {
    id,
    name: name.replace(/^\//, ''),
    hostname: config.Hostname,
    aliases: endpoint?.Aliases ?? [],
    gatewayPriority: endpoint?.GwPriority ?? 0,
    // Which of the engine's networks lead outside may change at any moment, unseen: then rather no servers than a leak.
    resolver: {
      servers: host.Dns ?? [],
      options: host.DnsOptions ?? [],
      leadsOutside: false,
      ...(engineNames && { engineNames }),
    },
  };
}
