import { createHash } from 'node:crypto';

// Names of what netd makes in the kernel (spec dataplane §7, last entry). A name has 15 bytes (IFNAMSIZ less the NUL), an
// id has 25 or 64: the name carries a hash, so that prefixes cannot collide, and IFLA_IFALIAS carries the ids in full.

/** Every link of ours begins with this; whoever finds one left behind knows whose it is. */
export const LINK_PREFIX = 'nd';
const HASH_DIGITS = 10;
const ALIAS_PREFIX = 'netd overlay';

const LETTERS = { bridge: 'b', vxlan: 'x', port: 'p', container: 'c' } as const;

/** What a link of ours is for; a network has a bridge and a vxlan for each subnet, an endpoint has a port and a container end. */
export type LinkRole =
  | { readonly kind: 'bridge' | 'vxlan'; readonly subnet: number }
  | { readonly kind: 'port' | 'container'; readonly endpointId: string };

/** `ndx4f02ac91be`: the same for the same network and role in every life of netd. */
export function linkName(networkId: string, role: LinkRole): string {
  const digest = createHash('sha256').update(linkAlias(networkId, role)).digest('hex');
  return `${LINK_PREFIX}${LETTERS[role.kind]}${digest.slice(0, HASH_DIGITS)}`;
}

/** `netd overlay 3kqz1… vxlan 0`, for IFLA_IFALIAS (at most 255 bytes). */
export function linkAlias(networkId: string, role: LinkRole): string {
  return `${ALIAS_PREFIX} ${networkId} ${role.kind} ${'subnet' in role ? role.subnet : role.endpointId}`;
}

/** True for a link that only netd can have made: both the name and the alias say so. */
export function isOurLink(name: string, alias: string | undefined): boolean {
  return name.startsWith(LINK_PREFIX) && alias?.startsWith(`${ALIAS_PREFIX} `) === true;
}

/** The network a link of ours belongs to. */
export function networkOfAlias(alias: string | undefined): string | undefined {
  return alias?.startsWith(`${ALIAS_PREFIX} `) ? alias.slice(ALIAS_PREFIX.length + 1).split(' ')[0] : undefined;
}

/** The endpoint whose container end carries this alias, whatever the engine renamed the link to. */
export function containerEndOf(alias: string | undefined): string | undefined {
  const words = (alias ?? '').slice(ALIAS_PREFIX.length + 1).split(' ');
  return alias?.startsWith(`${ALIAS_PREFIX} `) && words[1] === 'container' ? words[2] : undefined;
}

const NAMESPACE_PREFIX = 'ov-';

/** File of the network's namespace, below RUNDIR/netns. */
export function namespaceName(networkId: string): string {
  return `${NAMESPACE_PREFIX}${networkId}`;
}

/** The network a file below RUNDIR/netns belongs to, if it is one of overlays. */
export function networkOfNamespace(file: string): string | undefined {
  return file.startsWith(NAMESPACE_PREFIX) ? file.slice(NAMESPACE_PREFIX.length) : undefined;
}
