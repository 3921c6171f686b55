import type { ContainerResolver, DesiredNetworks } from './desired.ts';
import type { ContainerDns } from './dns/container.ts';
import type { SearchedNetwork } from './dns/search.ts';
import type { LocalEndpoint } from './overlay/endpoint.ts';

/** What the resolver of each container has to know: by its endpoints on swarm networks, and what is wanted of those. */
export function dnsContainers(endpoints: readonly LocalEndpoint[], desired: DesiredNetworks): readonly ContainerDns[] {
  const networks = new Map(desired.networks.map((network) => [network.id, network]));
  const joined = endpoints.flatMap(({ sandboxKey, ...rest }) =>
    sandboxKey === undefined ? [] : [{ ...rest, sandboxKey }],
  );
  return [...Map.groupBy(joined, ({ sandboxKey }) => sandboxKey)].flatMap(([sandboxKey, own]) => {
    const searched: SearchedNetwork[] = own.flatMap((endpoint) => {
      const { networkId } = endpoint;
      const network = networks.get(networkId);
      if (network === undefined) return [];
      const { id, name, internal, ingress } = network;
      const gatewayPriority = placeOf(endpoint, desired)?.gatewayPriority ?? 0;
      return [{ id, name, internal, ingress, gatewayPriority }];
    });
    // A network nobody wants any more says nothing of the container: better no word than a wrong one.
    if (searched.length === 0) return [];
    const { servers, options, leadsOutside, engineNames = false } = resolverOf(own, desired);
    return [
      {
        sandboxKey,
        networks: searched,
        servers: servers.length > 0 ? { kind: 'explicit', addresses: servers } : { kind: 'host' },
        options: options.length > 0 ? options : undefined,
        internalOnly: !leadsOutside && searched.every(({ internal }) => internal),
        ...(engineNames && { engineNames }),
      } satisfies ContainerDns,
    ];
  });
}

/** All attachments of a container tell the same of it. */
function resolverOf(own: readonly LocalEndpoint[], desired: DesiredNetworks): ContainerResolver {
  const none = { servers: [], options: [], leadsOutside: false };
  const places = own.map((endpoint) => placeOf(endpoint, desired));
  return places.find((place) => place?.resolver !== undefined)?.resolver ?? none;
}

function placeOf(
  { networkId, address }: Pick<LocalEndpoint, 'networkId' | 'address'>,
  { attachments }: DesiredNetworks,
) {
  return attachments.find((one) => one.networkId === networkId && one.address === address);
}
