import { NETWORK_ID_LABEL } from '#agent/container/networks.ts';
import type { Engine } from '#agent/engine/engine.ts';
import { NetdError } from '#base/errors.ts';
import type { DriverAgent, SwarmNetworkName } from '#netd/driver/overlay-driver.ts';
import type { NodeOverlays } from './node-overlays.ts';

/**
 * Engine networks whose answer is kept. An id stands for one network for ever, and nothing that is told here of it can be changed;
 * those that are gone are forgotten in time.
 */
const MOST_KNOWN = 1000;

/** @param overlays of the node this host is now; undefined while it is part of no swarm */
export function createDriverAgent(
  engine: Pick<Engine, 'inspectNetwork'>,
  overlays: () => Pick<NodeOverlays, 'attach' | 'detach'> | undefined,
): DriverAgent {
  const known = new Map<string, SwarmNetworkName>();
  return {
    networkOf: async (engineNetworkId) => {
      const before = known.get(engineNetworkId);
      if (before !== undefined) return before;
      const network = await engine.inspectNetwork(engineNetworkId);
      if (network === undefined) {
        throw new NetdError('no-such-network', `the engine has no network ${engineNetworkId.slice(0, 12)} any more`);
      }
      const id = network.Labels?.[NETWORK_ID_LABEL];
      const internal = network.Internal === true;
      const name: SwarmNetworkName =
        id === undefined ? { kind: 'name', name: network.Name, internal } : { kind: 'id', id, internal };
      const [oldest] = known.size < MOST_KNOWN ? [] : known.keys();
      if (oldest !== undefined) known.delete(oldest);
      known.set(engineNetworkId, name);
      return name;
    },
    attach: async (network, endpointId) => {
      const joined = overlays();
      if (joined !== undefined) return joined.attach(network, endpointId);
      throw new NetdError('not-joined', 'this host is not part of a swarm, so there are no overlay networks', {
        mend: 'Join one with "netd join".',
      });
    },
    detach: (endpointId) => overlays()?.detach(endpointId),
  };
}
