import { TASK_ID_LABEL } from '#agent/container/labels.ts';
import { NETWORK_ID_LABEL } from '#agent/container/networks.ts';
import type { Engine } from '#agent/engine/engine.ts';
import { EngineError } from '#agent/engine/engine-error.ts';
import type { Logger } from '#base/log.ts';
import { NETD_DRIVER } from '#netd/driver/options.ts';

interface EngineNetworkFact {
  readonly Id: string;
  readonly Name: string;
  readonly Labels?: Readonly<Record<string, string>> | null | undefined;
}

/** A line of the engine's container list. */
interface EngineContainerFact {
  readonly Labels?: Readonly<Record<string, string>> | null;
  readonly NetworkSettings?: {
    /** By name; the id is empty until the container is started. */
    readonly Networks?: Readonly<Record<string, { readonly NetworkID?: string }>> | null;
  } | null;
}

/**
 * The engine's networks of netd that stand for nothing any more: the swarm network is not wanted here and no container would
 * be started on it, or another one stands for it already. What an operator made has no label of ours and stays.
 *
 * @param containers all there are, running or not
 */
export function unusedNetworks<N extends EngineNetworkFact>(
  found: readonly N[],
  wanted: ReadonlySet<string>,
  containers: readonly EngineContainerFact[],
): readonly N[] {
  const guests = containers.filter(({ Labels }) => Labels?.[TASK_ID_LABEL] === undefined); // a task is started once
  const kept = new Set<string>();
  return found.filter((network) => {
    const id = network.Labels?.[NETWORK_ID_LABEL];
    if (id === undefined) return false;
    const isFirst = !kept.has(id);
    kept.add(id);
    return !isFirst || !(wanted.has(id) || guests.some((guest) => refersTo(guest, network)));
  });
}

/** By the id it was started with last, which the engine insists on, or by name if it never was. */
function refersTo({ NetworkSettings: settings }: EngineContainerFact, { Id, Name }: EngineNetworkFact): boolean {
  return Object.entries(settings?.Networks ?? {}).some(
    ([name, { NetworkID = '' }]) => NetworkID === Id || (NetworkID === '' && name === Name),
  );
}

/** Removes them, but for those that containers are on: those are looked at again after the next network has ended. */
export async function removeUnusedNetworks(
  engine: Engine,
  wanted: () => ReadonlySet<string>,
  keepFor: 'stopped containers' | 'nobody',
  log: Logger,
): Promise<void> {
  const networks = await engine.listNetworks(NETD_DRIVER);
  if (unusedNetworks(networks, wanted(), []).length === 0) return;
  const containers = keepFor === 'stopped containers' ? await engine.listContainers() : [];
  for (const { Id, Name } of unusedNetworks(networks, wanted(), containers)) {
    try {
      await engine.removeNetwork(Id);
      log.info({ network: Name }, 'network removed from the engine');
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      log.debug({ network: Name, error: error.message }, 'network is still in use');
    }
  }
}
