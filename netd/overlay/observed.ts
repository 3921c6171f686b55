/** A link as the kernel tells of it. */
export interface ObservedLink {
  readonly name: string;
  readonly index: number;
  /** `bridge`, `vxlan`, `veth`, …; undefined for links without a kind. */
  readonly kind: string | undefined;
  readonly alias: string | undefined;
  readonly mtu: number;
  readonly isUp: boolean;
  /** Name of the bridge it is a port of. */
  readonly master: string | undefined;
  readonly vxlan: ObservedVxlan | undefined;
  /** IPv4 addresses with prefix length. */
  readonly addresses: readonly string[];
}

export interface ObservedVxlan {
  readonly vni: number;
  readonly port: number;
  readonly local: string | undefined;
  readonly isLearning: boolean;
  /** Answers ARP out of its neighbour table. */
  readonly isProxy: boolean;
}

/** The namespace of a network at one moment, but for the rows. */
export interface ObservedNamespace {
  /** Its name leads to it. */
  readonly isNamed: boolean;
  readonly links: ReadonlyMap<string, ObservedLink>;
  /** Values of the sysctls that matter, by key; a key that does not exist here is absent. */
  readonly sysctls: ReadonlyMap<string, string>;
}

/** A row of a vxlan device, as a notification tells of it. */
export type KernelRow = {
  readonly isGone: boolean;
  readonly isStatic: boolean;
  readonly mac: string | undefined;
} & (
  | { readonly kind: 'neighbour'; readonly ip: string | undefined }
  | { readonly kind: 'forwarding'; readonly vtep: string | undefined }
);

/** Whether a device has the name of one we knew: what is believed of its rows was about another. */
export function isOtherDevice(
  names: readonly string[],
  before: ObservedNamespace | undefined,
  now: ObservedNamespace,
): boolean {
  if (before === undefined) return false;
  return names.some((name) => {
    const index = now.links.get(name)?.index;
    return index !== undefined && index !== before.links.get(name)?.index;
  });
}
