import { readFileSync } from 'node:fs';
import { isNamespaceGone } from '../kernel/errors.ts';
import type { RouteRow } from '../kernel/netlink/route.ts';
import { inNamespace } from '../kernel/netns.ts';
import { Rtnetlink } from '../kernel/rtnetlink.ts';
import type { ContainerFacts, Links, OverlayFacts, PathLink, PathRoute, UnderlayFacts } from './facts.ts';

// What the kernel has along a way: every look opens a socket of its own, so that nothing remembered is taken for found.

/** Inside the container: what happens with packets to the address. Undefined if its namespace is gone. @throws KernelError */
export function gatherContainer(sandboxKey: string, address: string): Promise<ContainerFacts | undefined> {
  return inside(sandboxKey, async (rtnetlink) => {
    const { links, indexes } = await linksOf(rtnetlink);
    const route = await routeOf(rtnetlink, indexes, address);
    const device = [...indexes].find(([, name]) => name === route?.device)?.[0];
    const nextHop = route?.gateway ?? address;
    const neighbours = device === undefined ? [] : await rtnetlink.neighbors(device);
    const neighbour = neighbours.find(({ ip }) => ip === nextHop);
    return { links, route, neighbour: neighbour && { ip: nextHop, mac: neighbour.mac } };
  });
}

/** Links of a namespace; undefined if it is gone. @throws KernelError */
export function gatherLinks(path: string): Promise<{ readonly links: Links } | undefined> {
  return inside(path, async (rtnetlink) => ({ links: (await linksOf(rtnetlink)).links }));
}

/** The namespace of a network, with the rows of one of its vxlan devices. Undefined if it is gone. @throws KernelError */
export function gatherOverlay(path: string, vxlan: string | undefined): Promise<OverlayFacts | undefined> {
  return inside(path, async (rtnetlink) => {
    const { links, indexes } = await linksOf(rtnetlink);
    const device = [...indexes].find(([, name]) => name === vxlan)?.[0];
    const neighbours = new Map<string, string>();
    const forwardings = new Map<string, { vtep: string; isStatic: boolean }>();
    if (device !== undefined) {
      for (const { ip, mac, isStatic } of await rtnetlink.neighbors(device)) {
        if (ip !== undefined && mac !== undefined && isStatic) neighbours.set(ip, mac);
      }
      for (const { ip, mac, isStatic, isMaster } of await rtnetlink.fdb(device)) {
        if (ip !== undefined && mac !== undefined && !isMaster) forwardings.set(mac, { vtep: ip, isStatic });
      }
    }
    const forwards = inNamespace(path, () => readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim());
    return { links, neighbours, forwardings, forwardsIpv4: forwards === '1' };
  });
}

/**
 * The host's way to another host.
 *
 * @param host file of the namespace the VTEP is in; undefined for that of this process
 * @param to VTEP of the other host, if there is one to go to
 * @throws KernelError
 */
export async function gatherUnderlay(
  host: string | undefined,
  vtep: string,
  to: string | undefined,
): Promise<UnderlayFacts> {
  using rtnetlink = Rtnetlink.open(host);
  const { links, indexes } = await linksOf(rtnetlink);
  const isLocal = [...links.values()].some(({ addresses }) => addresses.some((one) => one.startsWith(`${vtep}/`)));
  const route = to === undefined ? undefined : await routeOf(rtnetlink, indexes, to, isLocal ? vtep : undefined);
  return { vtep, links, route };
}

async function inside<T>(path: string, look: (rtnetlink: Rtnetlink) => Promise<T>): Promise<T | undefined> {
  try {
    using rtnetlink = Rtnetlink.open(path);
    return await look(rtnetlink);
  } catch (error) {
    if (isNamespaceGone(error)) return undefined;
    throw error;
  }
}

async function linksOf(rtnetlink: Rtnetlink) {
  const rows = await rtnetlink.links();
  const indexes = new Map(rows.map(({ index, name }) => [index, name]));
  const addresses = Map.groupBy(await rtnetlink.addresses(), ({ ifindex }) => ifindex);
  const links = new Map<string, PathLink>();
  for (const { index, name, isUp, operState, mtu, mac, master, vxlan } of rows) {
    links.set(name, {
      name,
      isUp,
      operState,
      mtu,
      mac,
      master: indexes.get(master),
      vxlan: vxlan && { vni: vxlan.id, port: vxlan.port, local: vxlan.local },
      addresses: (addresses.get(index) ?? []).map(({ ip, prefixLength }) => `${ip}/${prefixLength}`),
    });
  }
  return { links, indexes };
}

async function routeOf(
  rtnetlink: Rtnetlink,
  indexes: ReadonlyMap<number, string>,
  to: string,
  source?: string,
): Promise<PathRoute | undefined> {
  const route = await rtnetlink.routeTo(to, source);
  return route && pathRoute(route, indexes, source);
}

/** Asked with a source, the kernel does not repeat it. */
function pathRoute(
  { ifindex, gateway, source, mtu }: RouteRow,
  indexes: ReadonlyMap<number, string>,
  asked: string | undefined,
): PathRoute {
  return { device: indexes.get(ifindex), gateway, source: asked ?? source, mtu };
}
