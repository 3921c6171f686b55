import type { Clock } from '#base/clock.ts';
import { errorText, NetdError } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import type { DesiredNetworks } from '../desired.ts';
import type { EndpointGiven, EndpointWanted, JoinedInterface, NetworkDriver } from './driver.ts';
import { NETD_DRIVER, NETWORK_OPTION, TASK_OPTION } from './options.ts';

/** What the driver has of the overlay networks of this node. */
export interface DriverOverlays {
  readonly createEndpoint: (endpoint: OverlayPlace & { readonly endpointId: string }) => Promise<EndpointGiven>;
  readonly joinEndpoint: (endpointId: string, sandboxKey: string) => Promise<JoinedInterface>;
  readonly leaveEndpoint: (endpointId: string) => Promise<void>;
  readonly deleteEndpoint: (endpointId: string) => Promise<void>;
}

/** A container's place on an overlay network. */
export interface OverlayPlace {
  /** The swarm's id. */
  readonly networkId: string;
  /** With prefix length. */
  readonly address: string;
  readonly mac: string | undefined;
}

/** What the driver asks of the agent, who can speak with engine and managers. */
export interface DriverAgent {
  /** The swarm network that an engine network stands for: its id, or where netd did not make it, its name. */
  readonly networkOf: (engineNetworkId: string) => Promise<SwarmNetworkName>;
  /** Asks the managers for a place on an attachable network for a container that is no task. Answers the same when asked again. */
  readonly attach: (network: string, endpointId: string) => Promise<OverlayPlace>;
  /** The place is no longer needed; it is given back in the background. */
  readonly detach: (endpointId: string) => void;
}

export type SwarmNetworkName = (
  | { readonly kind: 'id'; readonly id: string }
  | { readonly kind: 'name'; readonly name: string }
) & {
  /** The engine gives its containers no way out. */
  readonly internal: boolean;
};

export interface OverlayDriverOptions {
  readonly overlays: DriverOverlays;
  readonly agent: DriverAgent;
  readonly desired: () => DesiredNetworks | undefined;
  readonly clock: Clock;
  /** Containers have come to networks, or left them. */
  readonly onChange: () => void;
  readonly log: Logger;
}

/** Registering at a manager takes a fraction of a second; the engine waits for an answer as long as it takes. */
const WISH_LIMIT_MS = 10_000;
const WISH_LOOK_MS = 50;

/** The engine's calls on overlay networks: tasks take the places the managers gave them, other containers ask for one. */
export function createOverlayDriver(options: OverlayDriverOptions): NetworkDriver {
  const { overlays, agent, desired, clock, onChange, log } = options;

  /** The engine goes on with the start of a container while netd is started anew, and asks before a manager has said anything. */
  const wished = async (): Promise<DesiredNetworks> => {
    const untilMs = clock.monotonicMs() + WISH_LIMIT_MS;
    for (;;) {
      const known = desired();
      if (known !== undefined) return known;
      if (clock.monotonicMs() >= untilMs) {
        throw new NetdError('no-session', 'no manager has told this node of its networks yet', {
          mend: 'See "netd status".',
        });
      }
      await clock.sleep(WISH_LOOK_MS);
    }
  };

  const taskPlace = async (taskId: string, network: SwarmNetworkName): Promise<OverlayPlace> => {
    const known = await wished();
    const networkId = network.kind === 'id' ? network.id : known.networks.find(({ name }) => name === network.name)?.id;
    const place = known.attachments.find((one) => one.taskId === taskId && one.networkId === networkId);
    if (place !== undefined) return place;
    throw new NetdError('no-place', `the managers have given task ${taskId} no address on this network`, {
      mend: 'Containers of tasks are started by netd: use "docker run" for others.',
    });
  };

  /** The way out is the engine's to give or not: it must not lead out of a network that has none. */
  const checkWayOut = async (networkId: string, internal: boolean): Promise<void> => {
    if (internal) return;
    const network = (await wished()).networks.find(({ id }) => id === networkId);
    if (network?.internal !== true) return;
    throw new NetdError(
      'network-not-internal',
      `network ${network.name} is internal in the swarm, but this engine's network of that name is not`,
      {
        mend: `Make it anew with: docker network create -d netd --ipam-driver null --internal ${network.name}`,
      },
    );
  };

  const makeEndpoint = async (wanted: EndpointWanted): Promise<EndpointGiven> => {
    const { options, engineNetworkId, endpointId } = wanted;
    const taskId = options.get(TASK_OPTION);
    const network = await agent.networkOf(engineNetworkId);
    const { networkId, address, mac } =
      taskId === undefined
        ? await agent.attach(network.kind === 'id' ? network.id : network.name, endpointId)
        : await taskPlace(taskId, network);
    await checkWayOut(networkId, network.internal);
    return overlays.createEndpoint({ networkId, address, mac: wanted.mac || mac, endpointId });
  };

  return {
    createNetwork: async ({ options, pools }) => {
      const pool = pools[0];
      if (pool !== undefined) {
        throw new NetdError(
          'engine-has-pool',
          `addresses of a ${NETD_DRIVER} network come from the swarm, not from ${pool}`,
          {
            mend: 'Create it with: docker network create -d netd --ipam-driver null NAME, and no --subnet.',
          },
        );
      }
      const unknown = [...options.keys()].find((key) => key !== NETWORK_OPTION);
      if (unknown !== undefined) {
        throw new NetdError('unknown-network-option', `netd does not know the network option ${unknown}`, {
          mend: 'Options of an overlay network are given where it is made, on a manager.',
        });
      }
    },
    deleteNetwork: async () => {}, // what there is in the kernel follows from the tasks
    createEndpoint: async (wanted) => {
      if (wanted.address !== '') {
        throw new NetdError('address-not-choosable', 'addresses on a netd network are given by the managers', {
          mend: 'Leave out --ip.',
        });
      }
      try {
        return await makeEndpoint(wanted);
      } catch (error) {
        // The engine does not delete what could not be made: nobody else gives the place back.
        agent.detach(wanted.endpointId);
        throw error;
      }
    },
    deleteEndpoint: async (endpointId) => {
      await overlays.deleteEndpoint(endpointId);
      agent.detach(endpointId);
      onChange();
    },
    joinEndpoint: async (endpointId, sandboxKey): Promise<JoinedInterface> => {
      await wished();
      const joined = await overlays.joinEndpoint(endpointId, sandboxKey);
      onChange();
      return joined;
    },
    leaveEndpoint: async (endpointId) => {
      try {
        await overlays.leaveEndpoint(endpointId);
      } catch (error) {
        // The container is ending: what is left of it in the kernel is found and removed by the next pass.
        log.warn({ endpoint: endpointId, error: errorText(error) }, 'an endpoint did not leave in order');
      }
      onChange();
    },
  };
}
