import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { portHolder } from '#netd/kernel/port-holder.ts';
import type { HostInterface } from './local-address.ts';

/** What netd asks this host about its own addresses. */
export interface HostNetwork {
  /** The interfaces that are up. */
  readonly interfaces: () => readonly HostInterface[];
  /** The address this host would send from to `ip`. Sends nothing. */
  readonly sourceFor: (ip: string) => Promise<string>;
  /** The process that has a port; undefined if that cannot be told. */
  readonly portHolder: (port: number) => Promise<string | undefined>;
}

/** Any port does: the routing table is asked, nobody else. */
const SOME_PORT = 7946;

export const hostNetwork: HostNetwork = {
  portHolder,
  interfaces: () =>
    Object.entries(networkInterfaces()).map(([name, addresses]) => ({
      name,
      addresses: (addresses ?? []).map(({ address }) => address.replace(/%.*$/, '')),
    })),
  sourceFor: (ip) =>
    new Promise((resolve, reject) => {
      // A connected datagram socket has the source address the kernel's routes give it (connect(2)).
      const socket = createSocket(isIPv6(ip) ? 'udp6' : 'udp4');
      socket.once('error', (error) => {
        socket.close();
        reject(error);
      });
      socket.connect(SOME_PORT, ip, () => {
        const { address } = socket.address();
        socket.close();
        resolve(address);
      });
    }),
};
