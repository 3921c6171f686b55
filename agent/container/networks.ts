import { NETD_DRIVER, NETWORK_OPTION, TASK_OPTION } from '#netd/driver/options.ts';
import type { Network, NetworkAttachment } from '#proto/gen/swarmkit/types_pb.js';
import type { EndpointBody, NetworkCreateBody } from './engine-bodies.ts';
import { quoted, SpecError } from './spec-error.ts';

/** On every engine network netd makes, where the engine allows labels: the id of the swarm network it stands for. */
export const NETWORK_ID_LABEL = 'netd.network.id';

/** One network of a task, by what has to be done for it (spec swarmkit-worker §5.4). */
export type NetworkUse =
  /** The engine's own `bridge`, `host` or `none`: there already. */
  | { readonly kind: 'predefined'; readonly name: string; readonly endpoint: EndpointBody }
  /** Lives on this node alone (macvlan, ipvlan, a bridge), usually from a configuration network made by the operator. */
  | {
      readonly kind: 'node-local';
      readonly name: string;
      readonly create: NetworkCreateBody;
      readonly endpoint: EndpointBody;
    }
  /** A driver from a plugin: as node-local, with the manager's options and addresses. */
  | {
      readonly kind: 'plugin';
      readonly name: string;
      readonly create: NetworkCreateBody;
      readonly endpoint: EndpointBody;
    }
  /** Of the whole swarm; an engine network with netd's driver stands for it on this node. */
  | {
      readonly kind: 'overlay';
      readonly name: string;
      readonly networkId: string;
      readonly create: NetworkCreateBody;
      readonly endpoint: EndpointBody;
    };

/** Names the engine keeps for its own networks; `default` is another word for `bridge`. */
const RESERVED: ReadonlyMap<string, string> = new Map(
  Object.entries({ bridge: 'bridge', host: 'host', none: 'none', default: 'bridge' }),
);

/** Its presence encrypts, whatever its value (spec dataplane §1.1). */
export const ENCRYPTED_OPTION = 'encrypted';

const ENGINE_DRIVERS: ReadonlySet<string> = new Set(['bridge', 'host', 'null', 'macvlan', 'ipvlan']);

/**
 * Sorts a task's attachment by kind.
 *
 * @param taskId whose attachment it is: the driver finds by it what the manager gave the task
 * @throws SpecError when the manager's message lacks what is needed, and for what netd cannot do yet
 */
export function networkUse(attachment: NetworkAttachment, taskId: string): NetworkUse {
  const { network } = attachment;
  const spec = network?.spec;
  const name = spec?.annotations?.name;
  if (network === undefined || spec === undefined || !name) {
    throw new SpecError(`network attachment without a network: ${quoted(network?.id ?? '')}`);
  }
  const driver = network.driverState?.name ?? '';
  if (driver === 'overlay') return overlayUse(attachment, network, name, taskId);

  const endpoint = endpointBody(attachment);
  const reserved = RESERVED.get(name);
  if (reserved !== undefined) return { kind: 'predefined', name: reserved, endpoint };
  if (spec.annotations?.labels['com.docker.swarm.predefined'] === 'true') return { kind: 'predefined', name, endpoint };
  if (driver === '') throw new SpecError(`network ${quoted(name)} comes without a driver`);
  const kind = ENGINE_DRIVERS.has(driver) ? 'node-local' : 'plugin';
  return { kind, name, create: networkCreateBody(network, name, driver), endpoint };
}

/**
 * The engine gives an endpoint of netd's driver no address (its IPAM is null): the driver answers with the manager's.
 * What the manager tells of the network itself, netd knows from the manager; the engine's network is a name and an id.
 */
function overlayUse(attachment: NetworkAttachment, network: Network, name: string, taskId: string): NetworkUse {
  if (network.spec?.ingress) {
    throw new SpecError('ports published through the routing mesh are not supported yet', {
      mend: 'publish the port with mode=host',
    });
  }
  if (network.driverState?.options[ENCRYPTED_OPTION] !== undefined) {
    throw new SpecError(`encrypted overlay networks are not supported yet: ${name}`);
  }
  return {
    kind: 'overlay',
    name,
    networkId: network.id,
    create: {
      Name: name,
      Driver: NETD_DRIVER,
      CheckDuplicate: true,
      ...(network.spec?.internal && { Internal: true }),
      ...(network.spec?.attachable && { Attachable: true }),
      IPAM: { Driver: 'null', Config: [] },
      Options: { [NETWORK_OPTION]: network.id },
      Labels: { ...network.spec?.annotations?.labels, [NETWORK_ID_LABEL]: network.id },
    },
    endpoint: { DriverOpts: { ...attachment.driverAttachmentOpts, [TASK_OPTION]: taskId } },
  };
}

/** The addresses the manager gave this task, and the options of its endpoint. */
function endpointBody({ addresses, driverAttachmentOpts }: NetworkAttachment): EndpointBody {
  const hosts = addresses.map((cidr) => cidr.split('/', 1)[0] ?? '');
  const ipv4 = hosts.findLast((host) => /^\d+(\.\d+){3}$/.test(host));
  const ipv6 = hosts.findLast((host) => host.includes(':'));
  return {
    ...((ipv4 || ipv6) && {
      IPAMConfig: { ...(ipv4 && { IPv4Address: ipv4 }), ...(ipv6 && { IPv6Address: ipv6 }) },
    }),
    ...(Object.keys(driverAttachmentOpts).length > 0 && { DriverOpts: { ...driverAttachmentOpts } }),
  };
}

/**
 * A network made from a configuration network takes options, addresses, IPv6 and labels from it, and the engine refuses
 * any given besides, be it a label of ours.
 */
function networkCreateBody(network: Network, name: string, driver: string): NetworkCreateBody {
  const { spec, ipam, driverState } = network;
  const common = {
    Name: name,
    Driver: driver,
    // Without it, engines before API 1.44 allow two networks of one name.
    CheckDuplicate: true,
    ...(spec?.internal && { Internal: true }),
    ...(spec?.attachable && { Attachable: true }),
  };
  if (spec?.configFrom.case === 'network') return { ...common, ConfigFrom: { Network: spec.configFrom.value } };
  const configs = (ipam?.configs ?? []).map(({ subnet, range, gateway }) => ({
    ...(subnet && { Subnet: subnet }),
    ...(range && { IPRange: range }),
    ...(gateway && { Gateway: gateway }),
  }));
  const ipamOptions = ipam?.driver?.options ?? {};
  return {
    ...common,
    ...(spec?.ipv6Enabled && { EnableIPv6: true }),
    ...((ipam?.driver?.name || configs.length > 0) && {
      IPAM: {
        Driver: ipam?.driver?.name || 'default',
        ...(Object.keys(ipamOptions).length > 0 && { Options: { ...ipamOptions } }),
        Config: configs,
      },
    }),
    Options: { ...driverState?.options },
    Labels: { ...spec?.annotations?.labels, [NETWORK_ID_LABEL]: network.id },
  };
}
