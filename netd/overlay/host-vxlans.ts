import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '#base/errors.ts';
import { isKernelErrno, isNamespaceGone } from '../kernel/errors.ts';
import { writeDelLink } from '../kernel/netlink/link.ts';
import type { LinkRow } from '../kernel/netlink/link-row.ts';
import { Rtnetlink } from '../kernel/rtnetlink.ts';
import type { ForeignVxlan } from './checks.ts';
import type { Host } from './host.ts';
import { isOurLink, networkOfAlias } from './names.ts';

export interface FoundVxlan extends ForeignVxlan {
  /** Made by netd for a network that nothing wants any more. */
  readonly isLeftover: boolean;
}

/** vxlan devices of the host, wherever they were moved: a number is taken even by one that hides in another namespace. */
export async function vxlansOnHost(host: Host): Promise<FoundVxlan[]> {
  const found: FoundVxlan[] = [];
  const look = (namespace: string | undefined, links: readonly LinkRow[]) => {
    for (const { name, alias, vxlan } of links) {
      if (vxlan === undefined) continue;
      const network = networkOfAlias(alias);
      const isLeftover = isOurLink(name, alias) && network !== undefined && !host.isWanted(network);
      found.push({ link: name, namespace, vni: vxlan.id, port: vxlan.port, isLeftover });
    }
  };
  look(undefined, await host.rtnetlink.links());
  for (const path of host.namespaceDirectories.flatMap(filesIn)) {
    try {
      using rtnetlink = Rtnetlink.open(path);
      look(path, await rtnetlink.links());
    } catch (error) {
      if (!isNamespaceGone(error)) throw error;
    }
  }
  return found;
}

export async function deleteVxlan(host: Host, { namespace, link }: FoundVxlan): Promise<void> {
  if (namespace === undefined) return deleteLink(host.rtnetlink, link);
  using rtnetlink = Rtnetlink.open(namespace);
  await deleteLink(rtnetlink, link);
}

async function deleteLink(rtnetlink: Rtnetlink, link: string): Promise<void> {
  try {
    await rtnetlink.request(`ip link delete ${link}`, (w) => writeDelLink(w, link));
  } catch (error) {
    if (!isKernelErrno(error, 'ENODEV')) throw error;
  }
}

function filesIn(directory: string): string[] {
  try {
    return readdirSync(directory).map((name) => join(directory, name));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}
