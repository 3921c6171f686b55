import { NETWORK_ID_LABEL } from '#agent/container/networks.ts';
import type { Engine } from '#agent/engine/engine.ts';
import { EngineError } from '#agent/engine/engine-error.ts';
import type { Logger } from '#base/log.ts';
import { NETD_DRIVER } from '#netd/driver/options.ts';

interface EngineNetworkFact {
  readonly Id: string;
  readonly Labels?: Readonly<Record<string, string>> | null | undefined;
}

/**
 * The engine's networks of netd that stand for nothing any more: the swarm network is not wanted here, or another one stands
 * for it already. What an operator made has no label of ours and stays.
 */
export function unusedNetworks<N extends EngineNetworkFact>(
  found: readonly N[],
  wanted: ReadonlySet<string>,
): readonly N[] {
  const kept = new Set<string>();
  return found.filter(({ Labels }) => {
    const id = Labels?.[NETWORK_ID_LABEL];
    if (id === undefined) return false;
    const isFirst = !kept.has(id);
    kept.add(id);
    return !wanted.has(id) || !isFirst;
  });
}

/** Removes them, but for those that containers are on: those are looked at again after the next network has ended. */
export async function removeUnusedNetworks(
  engine: Engine,
  wanted: () => ReadonlySet<string>,
  log: Logger,
): Promise<void> {
  for (const { Id, Name } of unusedNetworks(await engine.listNetworks(NETD_DRIVER), wanted())) {
    try {
      await engine.removeNetwork(Id);
      log.info({ network: Name }, 'network removed from the engine');
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      log.debug({ network: Name, error: error.message }, 'network is still in use');
    }
  }
}
