import { type HostInterface, localAddress } from './local-address.ts';

/** IANA's port of VXLAN, and Docker's where the swarm was made without `--data-path-port`. */
export const DEFAULT_DATA_PATH_PORT = 4789;

/** Where this node sends and takes the packets of overlay networks: `vtep` and `dataPathPort` of DesiredNetworks. */
export interface DataPath {
  /** Without prefix length. */
  readonly address: string;
  readonly port: number;
}

export interface DataPathFacts {
  /** What `netd join --data-path-addr` was told; null if nothing. */
  readonly dataPathAddr: string | null;
  /** The address peers know this node by, as the gossip advertises it. */
  readonly advertised: string;
  readonly interfaces: readonly HostInterface[];
  /** `VXLANUDPPort` of the node object; 0 or undefined is the default (spec swarmkit-worker §2.8). */
  readonly vxlanUdpPort: number | undefined;
}

/** @throws NetdError `address-not-local` or `address-ambiguous` if what join was told is no address of this host any more */
export function dataPathOf({ dataPathAddr, advertised, interfaces, vxlanUdpPort }: DataPathFacts): DataPath {
  return {
    address: dataPathAddr === null ? advertised : localAddress('--data-path-addr', dataPathAddr, interfaces),
    port: vxlanUdpPort || DEFAULT_DATA_PATH_PORT,
  };
}
