import { NetdError } from '#base/errors.ts';
import type { DesiredNetworks } from '../desired.ts';
import { TYPE } from '../dns/codes.ts';
import type { Dns } from '../dns/dns.ts';
import type { NetworkSnapshot } from '../gossip/tables.ts';
import { isNamespace } from '../kernel/netns.ts';
import { findContainer, type LocalContainer, localContainers } from '../local-containers.ts';
import type { LocalEndpoint } from '../overlay/endpoint.ts';
import { findInterface } from '../overlay/interface-name.ts';
import type { Overlays } from '../overlay/overlays.ts';
import { ipv4Number } from '../overlay/subnets.ts';
import type { Origin, OverlayFacts, PathPeer, WalkFacts } from './facts.ts';
import { gatherContainer, gatherLinks, gatherOverlay, gatherUnderlay } from './gather.ts';
import type { Hop, PathReport, Walk } from './hop.ts';
import { nameHop } from './name-hop.ts';
import { isInside, segmentOf } from './subnet.ts';
import { walk } from './walk.ts';
import { addressesNamed, namesThere, serviceAt } from './who.ts';

export interface PathDeps {
  readonly overlays: Pick<Overlays, 'endpoints' | 'trace'>;
  readonly dns: Pick<Dns, 'lookup'>;
  /** The tables of the gossip of now. */
  readonly gossip: PathGossip;
  readonly desired: () => DesiredNetworks | undefined;
  /** File of the namespace the VTEP is in; that of this process unless given. */
  readonly hostNamespace?: string;
}

export interface PathGossip {
  readonly snapshot: (networkId: string) => NetworkSnapshot | undefined;
  /** The other nodes; undefined while there is no gossip. */
  readonly peers: () => readonly PathPeer[] | undefined;
}

/** Each address of a name costs looks into three namespaces; who wants more asks for one address. */
const MOST_WALKS = 16;

/**
 * The way from a container of this host to a name or an address, with what is found in the kernel at each hop.
 *
 * @param from name, task or id of a container here
 * @param to address, or name of a service, task or container
 * @throws NetdError `no-such-container`, `ambiguous-container`, `no-such-name`; KernelError
 */
export async function tracePath(deps: PathDeps, from: string, to: string): Promise<PathReport> {
  const looks = lookOnce(deps);
  const desired = deps.desired();
  const containers = localContainers(deps.overlays.endpoints(), desired);
  const container = await withInterfaces(findContainer(containers, from));
  const origin = originOf(container, desired);
  const { name, addresses } = resolve(looks, container, origin, containers, to);
  const walks: Walk[] = [];
  for (const address of addresses.slice(0, MOST_WALKS))
    walks.push(walk(await factsOf(looks, container, origin, address)));
  return {
    from: {
      name: container.name,
      places: origin.networks.map((network) => ({ network: network.name, address: network.endpoint.address })),
    },
    to,
    name,
    walks,
    notWalked: addresses.slice(MOST_WALKS),
  };
}

/** What many addresses have in common is looked at once: a network may have ten thousand rows. */
interface Looks extends PathDeps {
  readonly overlay: (path: string, vxlan: string | undefined) => Promise<OverlayFacts | undefined>;
}

function lookOnce(deps: PathDeps): Looks {
  const snapshots = new Map<string, NetworkSnapshot | undefined>();
  const overlays = new Map<string, Promise<OverlayFacts | undefined>>();
  let peers: { readonly all: readonly PathPeer[] | undefined } | undefined;
  return {
    ...deps,
    gossip: {
      snapshot: (id) => {
        if (!snapshots.has(id)) snapshots.set(id, deps.gossip.snapshot(id));
        return snapshots.get(id);
      },
      peers: () => {
        peers ??= { all: deps.gossip.peers() };
        return peers.all;
      },
    },
    overlay: (path, vxlan) => {
      const key = `${path} ${vxlan}`;
      const known = overlays.get(key) ?? gatherOverlay(path, vxlan);
      overlays.set(key, known);
      return known;
    },
  };
}

/** In its first seconds the names of its interfaces are not known yet. */
async function withInterfaces(container: LocalContainer): Promise<LocalContainer> {
  const endpoints = await Promise.all(container.endpoints.map(withInterface));
  return { ...container, endpoints };
}

async function withInterface<E extends LocalEndpoint>(endpoint: E): Promise<E> {
  const { sandboxKey, endpointId, interfaceName } = endpoint;
  if (sandboxKey === undefined || interfaceName !== undefined || !isNamespace(sandboxKey)) return endpoint;
  return { ...endpoint, interfaceName: await findInterface(sandboxKey, endpointId) };
}

function originOf({ name, endpoints }: LocalContainer, desired: DesiredNetworks | undefined): Origin {
  const networks = endpoints.flatMap((endpoint) => {
    const network = desired?.networks.find(({ id }) => id === endpoint.networkId);
    return network === undefined ? [] : [{ id: network.id, name: network.name, subnets: network.subnets, endpoint }];
  });
  return { name, networks };
}

/** What the name means to the container; a name that only others have is followed to where it is. */
function resolve(
  { dns, gossip, desired }: PathDeps,
  container: LocalContainer,
  origin: Origin,
  containers: readonly LocalContainer[],
  to: string,
): { readonly name: Hop | null; readonly addresses: readonly string[] } {
  if (ipv4Number(to) !== undefined) return { name: null, addresses: [to] };
  const explanation = dns.lookup(container.sandboxKey, to, TYPE.A);
  const known = (desired()?.networks ?? []).map(({ id, name }) => ({ id, name, snapshot: gossip.snapshot(id) }));
  const elsewhere = addressesNamed(known, containers, to);
  const result = nameHop(to, origin, explanation, elsewhere);
  if (result !== undefined) return result;
  throw new NetdError('no-such-name', `nothing on the networks of this host is called ${to}`, {
    mend: `There are ${namesThere(known, containers)}.`,
  });
}

async function factsOf(
  { overlays, gossip, desired, hostNamespace, overlay }: Looks,
  { sandboxKey }: LocalContainer,
  origin: Origin,
  address: string,
): Promise<WalkFacts> {
  const holds = ({ subnets }: { readonly subnets: readonly { readonly subnet: string }[] }) =>
    subnets.some(({ subnet }) => isInside(subnet, address));
  const network = origin.networks.find(holds);
  const elsewhere = (desired()?.networks ?? []).filter((one) => network === undefined && holds(one));
  const traced = network && overlays.trace(network.id, address);
  const way = traced && { ...traced, local: traced.local && (await withInterface(traced.local)) };
  const segment = way === undefined || typeof way.view === 'string' ? undefined : segmentOf(way.view, address);
  const target = way?.local?.sandboxKey;
  const snapshot = network && gossip.snapshot(network.id);
  const peers = gossip.peers();
  return {
    address,
    origin,
    container: await gatherContainer(sandboxKey, address),
    network,
    elsewhere: elsewhere.map(({ name }) => name),
    way,
    overlay: way && (await overlay(way.path, segment?.vxlan.name)),
    target: target === undefined ? undefined : await gatherLinks(target),
    underlay: await gatherUnderlay(hostNamespace, desired()?.vtep ?? '', way?.winner?.vtep),
    gossip: {
      isRunning: peers !== undefined,
      names: (snapshot?.endpoints ?? []).filter(({ value }) => value.ip === address).map(({ value }) => value.name),
      service: serviceAt(snapshot, address),
      peer: peers?.find(({ name }) => name === way?.winner?.row.owner),
    },
  };
}
