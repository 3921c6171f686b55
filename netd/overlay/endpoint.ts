/** An endpoint of this node on an overlay network: what the engine asked for, and how far its life has come. */
export interface LocalEndpoint {
  readonly networkId: string;
  /** The engine's: 64 hex digits. */
  readonly endpointId: string;
  /** With the prefix length of its subnet: `10.0.1.5/24`. */
  readonly address: string;
  readonly mac: string;
  /** The container's network namespace, a path; undefined before the join and after the leave. */
  readonly sandboxKey: string | undefined;
  /** Name of the interface in the container, once the engine has put it there: `eth0`. */
  readonly interfaceName?: string | undefined;
}

export function addressOf(endpoint: Pick<LocalEndpoint, 'address'>): string {
  return endpoint.address.split('/')[0] ?? '';
}
