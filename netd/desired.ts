import type { Endpoint } from './gossip/records.ts';

/**
 * What the agent wants of the network of this node: the one value that crosses from `agent/` to `netd/`. It is always
 * whole: what is not in it is not wanted. Its counterpart is the status of `netd/`.
 */
export interface DesiredNetworks {
  /** The address peers send VXLAN packets to, our VTEP; also what they must see packets come from. Without prefix length. */
  readonly vtep: string;
  /** UDP port of the data path, the same in the whole cluster; 4789 unless the swarm was made with another. */
  readonly dataPathPort: number;
  readonly networks: readonly DesiredNetwork[];
  readonly attachments: readonly DesiredAttachment[];
}

/** An overlay network as the manager describes it (spec dataplane §1.1). */
export interface DesiredNetwork {
  /** 25 characters of base36. */
  readonly id: string;
  readonly name: string;
  /** In the order of the manager's IPAM configuration; IPv4 only, since overlays have no IPv6 across nodes. */
  readonly subnets: readonly DesiredSubnet[];
  /** Option `com.docker.network.driver.mtu`: MTU of the underlay, in bytes; undefined means 1500. */
  readonly underlayMtu: number | undefined;
  readonly internal: boolean;
  readonly attachable: boolean;
  readonly ingress: boolean;
  /** The option `encrypted` is present. Fails closed: without working encryption no packet of it leaves this node. */
  readonly encrypted: boolean;
  /** Address with prefix length of this node's load balancer there; undefined until the manager has given one. */
  readonly loadBalancerAddress: string | undefined;
}

export interface DesiredSubnet {
  /** `10.0.1.0/24` */
  readonly subnet: string;
  /** Address of the bridge, the same on every node, without prefix length. */
  readonly gateway: string;
  /** VXLAN network identifier, 24 bits. */
  readonly vni: number;
}

/** One container's place on one network. */
export interface DesiredAttachment {
  /** Of the task, or of the attachment the manager made for a plain container. */
  readonly taskId: string;
  readonly networkId: string;
  /** Address with the subnet's prefix length: `10.0.1.5/24`. */
  readonly address: string;
  /** Lower-case colon form, if the user chose one; otherwise it follows from the address. */
  readonly mac: string | undefined;
  /** Of the user's networks the one with the highest is asked first for names; 0 unless the user chose another. */
  readonly gatewayPriority?: number;
  readonly binding: ServiceBinding;
  /** How the container wants names resolved that no network of the swarm has; absent until that is known. */
  readonly resolver?: ContainerResolver;
}

/** The DNS settings of a container, as the engine was given them. */
export interface ContainerResolver {
  /** `--dns`; none for those of the host. */
  readonly servers: readonly string[];
  /** `--dns-option`; none for those of the host. */
  readonly options: readonly string[];
  /** It is also on a network of the engine that leads outside, whatever its overlay networks say. */
  readonly leadsOutside: boolean;
  /** It is on a network of the engine's own where containers have names: the engine's resolver knows those. */
  readonly engineNames?: boolean;
}

/** What others may resolve and send to (spec dataplane §4.7). */
export interface ServiceBinding {
  /**
   * `pending`: starting, or not healthy yet: no row. `active`: a row. `draining`: about to stop, the row says
   * `service_disabled`. Never back from `draining` to `active`: older nodes do not understand that.
   */
  readonly state: 'pending' | 'active' | 'draining';
  readonly row: Omit<Endpoint, 'ip' | 'disabled'>;
}
