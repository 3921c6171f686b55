import { NETWORK_ID_LABEL } from '#agent/container/networks.ts';
import type { Engine } from '#agent/engine/engine.ts';
import { NetdError } from '#base/errors.ts';
import type { DriverAgent } from '#netd/driver/overlay-driver.ts';
import type { NodeOverlays } from './node-overlays.ts';

/** @param overlays of the node this host is now; undefined while it is part of no swarm */
export function createDriverAgent(
  engine: Engine,
  overlays: () => Pick<NodeOverlays, 'attach' | 'detach'> | undefined,
): DriverAgent {
  return {
    networkOf: async (engineNetworkId) => {
      const network = await engine.inspectNetwork(engineNetworkId);
      if (network === undefined) {
        throw new NetdError('no-such-network', `the engine has no network ${engineNetworkId.slice(0, 12)} any more`);
      }
      const id = network.Labels?.[NETWORK_ID_LABEL];
      const internal = network.Internal === true;
      return id === undefined ? { kind: 'name', name: network.Name, internal } : { kind: 'id', id, internal };
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
