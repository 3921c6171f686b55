import type * as z from 'zod/mini';
import { NetdError } from '#base/errors.ts';
import {
  createEndpointRequest,
  createNetworkRequest,
  deleteNetworkRequest,
  endpointOptions,
  endpointRequest,
  joinRequest,
  networkOptions,
} from './requests.ts';

/** What a network driver does, in words of ours: every call may be repeated, and what is gone already is fine. */
export interface NetworkDriver {
  readonly createNetwork: (network: EngineNetwork) => Promise<void>;
  readonly deleteNetwork: (engineNetworkId: string) => Promise<void>;
  readonly createEndpoint: (endpoint: EndpointWanted) => Promise<EndpointGiven>;
  readonly deleteEndpoint: (endpointId: string) => Promise<void>;
  readonly joinEndpoint: (endpointId: string, sandboxKey: string) => Promise<JoinedInterface>;
  readonly leaveEndpoint: (endpointId: string) => Promise<void>;
}

/** A network of the engine that has this driver. */
export interface EngineNetwork {
  /** The engine's id of it, 64 hex digits; not the swarm's. */
  readonly engineId: string;
  readonly options: ReadonlyMap<string, string>;
  /** IPv4 address pools the engine has reserved for it, such as `172.18.0.0/16`; none with the null IPAM driver. */
  readonly pools: readonly string[];
}

export interface EndpointWanted {
  readonly engineNetworkId: string;
  /** 64 hex digits. */
  readonly endpointId: string;
  /** Asked for by the user (`--ip`, with prefix length; `--mac-address`); empty if not. */
  readonly address: string;
  readonly mac: string;
  readonly options: ReadonlyMap<string, string>;
}

export interface EndpointGiven {
  /** With prefix length: `10.0.1.5/24`. */
  readonly address: string;
  /** Lower-case colon form. */
  readonly mac: string;
}

/** The interface the engine moves into the container, names and gives its address. */
export interface JoinedInterface {
  readonly srcName: string;
  readonly dstPrefix: string;
  readonly staticRoutes: readonly { readonly destination: string; readonly nextHop: string }[];
}

/** A route whose next hop is a gateway, as opposed to one that is on the link (libnetwork's `types.NEXTHOP`). */
const ROUTE_VIA_NEXT_HOP = 0;

type Answer = Readonly<Record<string, unknown>>;

/**
 * Answers one call of the engine, by the last part of its path (`NetworkDriver.Join`).
 *
 * When they come, seen at Docker 20.10.24, 26.1.5 and 28.5.2: see docs/network-driver.md.
 *
 * @returns undefined for a call that is not known
 * @throws NetdError `bad-driver-request` if the body is not what this call has; whatever the driver throws
 */
export async function answerCall(driver: NetworkDriver, call: string, body: unknown): Promise<Answer | undefined> {
  switch (call) {
    case 'Plugin.Activate':
      return { Implements: ['NetworkDriver'] };
    case 'NetworkDriver.GetCapabilities':
      // Networks are known to this engine alone, their packets go everywhere.
      return { Scope: 'local', ConnectivityScope: 'global' };
    case 'NetworkDriver.CreateNetwork': {
      const { NetworkID, Options, IPv4Data } = parsed(call, createNetworkRequest, body);
      await driver.createNetwork({ engineId: NetworkID, options: networkOptions(Options), pools: IPv4Data });
      return {};
    }
    case 'NetworkDriver.DeleteNetwork':
      await driver.deleteNetwork(parsed(call, deleteNetworkRequest, body).NetworkID);
      return {};
    case 'NetworkDriver.CreateEndpoint': {
      const { NetworkID, EndpointID, Interface, Options } = parsed(call, createEndpointRequest, body);
      const given = await driver.createEndpoint({
        engineNetworkId: NetworkID,
        endpointId: EndpointID,
        ...Interface,
        options: endpointOptions(Options),
      });
      // The engine takes what it has said itself for a change, and changes for a mistake.
      return {
        Interface: {
          ...(Interface.address === '' && { Address: given.address }),
          ...(Interface.mac === '' && { MacAddress: given.mac }),
        },
      };
    }
    case 'NetworkDriver.DeleteEndpoint':
      await driver.deleteEndpoint(parsed(call, endpointRequest, body).EndpointID);
      return {};
    case 'NetworkDriver.EndpointOperInfo':
      parsed(call, endpointRequest, body);
      return { Value: {} };
    case 'NetworkDriver.Join': {
      const { EndpointID, SandboxKey } = parsed(call, joinRequest, body);
      const { srcName, dstPrefix, staticRoutes } = await driver.joinEndpoint(EndpointID, SandboxKey);
      return {
        InterfaceName: { SrcName: srcName, DstPrefix: dstPrefix },
        StaticRoutes: staticRoutes.map(({ destination, nextHop }) => ({
          Destination: destination,
          RouteType: ROUTE_VIA_NEXT_HOP,
          NextHop: nextHop,
        })),
      };
    }
    case 'NetworkDriver.Leave':
      await driver.leaveEndpoint(parsed(call, endpointRequest, body).EndpointID);
      return {};
    // Ports are the engine's to publish, on docker_gwbridge; other nodes are known from gossip.
    case 'NetworkDriver.ProgramExternalConnectivity':
    case 'NetworkDriver.RevokeExternalConnectivity':
    case 'NetworkDriver.DiscoverNew':
    case 'NetworkDriver.DiscoverDelete':
      return {};
    default:
      return undefined;
  }
}

function parsed<T>(call: string, schema: z.ZodMiniType<T>, body: unknown): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue?.path.join('.') ?? '';
  throw new NetdError('bad-driver-request', `${call}: ${where === '' ? '' : `${where} `}${issue?.message ?? ''}`);
}
