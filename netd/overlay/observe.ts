import { readFileSync } from 'node:fs';
import { isErrno } from '#base/errors.ts';
import type { LinkRow } from '../kernel/netlink/link-row.ts';
import type { Rtnetlink } from '../kernel/rtnetlink.ts';
import { type DeviceRows, type Forwarding, KernelRows } from './kernel-rows.ts';
import type { Namespace } from './namespace.ts';
import type { ObservedLink, ObservedNamespace } from './observed.ts';
import { NAMESPACE_SYSCTLS } from './plan-links.ts';

/** Links, addresses and sysctls of a network's namespace. @throws KernelError */
export async function observe(namespace: Namespace): Promise<ObservedNamespace> {
  const rows = await namespace.rtnetlink.links();
  const names = new Map(rows.map(({ index, name }) => [index, name]));
  const addresses = Map.groupBy(await namespace.rtnetlink.addresses(), ({ ifindex }) => ifindex);
  const links = new Map<string, ObservedLink>();
  for (const row of rows) {
    const own = (addresses.get(row.index) ?? []).filter(({ ip }) => !ip.includes(':'));
    links.set(row.name, {
      name: row.name,
      index: row.index,
      kind: row.kind,
      alias: row.alias,
      mtu: row.mtu,
      isUp: row.isUp,
      master: names.get(row.master),
      vxlan: vxlanOf(row),
      addresses: own.map(({ ip, prefixLength }) => `${ip}/${prefixLength}`),
    });
  }
  return { isNamed: namespace.isNamed(), links, sysctls: namespace.inside(readSysctls) };
}

/** The rows of these vxlan devices. @throws KernelError */
export async function observeRows(rtnetlink: Rtnetlink, vxlans: readonly ObservedLink[]): Promise<KernelRows> {
  const rows = new KernelRows();
  for (const { name, index } of vxlans) rows.setDevice(name, await observeDevice(rtnetlink, index));
  return rows;
}

/** The rows of a vxlan device, in two dumps. @throws KernelError */
export async function observeDevice(rtnetlink: Rtnetlink, ifindex: number): Promise<DeviceRows> {
  const neighbours = new Map<string, string>();
  for (const { ip, mac, isStatic } of await rtnetlink.neighbors(ifindex)) {
    if (ip !== undefined && mac !== undefined && isStatic) neighbours.set(ip, mac);
  }
  const forwardings = new Map<string, Forwarding>();
  for (const { ip, mac, isStatic, isMaster } of await rtnetlink.fdb(ifindex)) {
    // Rows of the bridge have no destination.
    if (ip !== undefined && mac !== undefined && !isMaster) forwardings.set(mac, { vtep: ip, isStatic });
  }
  return { neighbours, forwardings };
}

function vxlanOf({ vxlan }: LinkRow): ObservedLink['vxlan'] {
  if (vxlan === undefined) return undefined;
  const { id, port, local, learning, proxy } = vxlan;
  return { vni: id, port, local, isLearning: learning, isProxy: proxy };
}

/** Runs inside the namespace: one visit for all. */
function readSysctls(): Map<string, string> {
  const values = new Map<string, string>();
  for (const key of NAMESPACE_SYSCTLS.keys()) {
    try {
      values.set(key, readFileSync(`/proc/sys/${key}`, 'utf8').trim());
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }
  return values;
}
