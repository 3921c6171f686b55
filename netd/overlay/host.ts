import { closeSync, openSync } from 'node:fs';
import { isKernelErrno } from '../kernel/errors.ts';
import { RTN_UNICAST } from '../kernel/netlink/route.ts';
import { portHolder } from '../kernel/port-holder.ts';
import { Rtnetlink } from '../kernel/rtnetlink.ts';
import { readSysctl, writeSysctl } from '../kernel/sysctl.ts';
import type { HostFacts } from './checks.ts';

/** Default of the process: the namespace it runs in is the underlay. */
const OWN_NAMESPACE = '/proc/thread-self/ns/net';

export interface HostOptions {
  /** File of the underlay's network namespace; undefined for that of this process. */
  readonly namespace: string | undefined;
  /** Directories whose files may be namespaces with vxlan devices in them: the engine's, ip-netns(8)'s, ours. */
  readonly namespaceDirectories: readonly string[];
  /** Whether some network of ours is to exist. */
  readonly isWanted: (networkId: string) => boolean;
}

/**
 * Most neighbours of all namespaces together; the kernel's own limits suit a host with few (spec dataplane §9.8).
 * Raised only: somebody may need more than we do.
 */
const NEIGHBOUR_LIMITS = [
  ['net/ipv4/neigh/default/gc_thresh3', 65_536],
  ['net/ipv4/neigh/default/gc_thresh2', 49_152],
  ['net/ipv4/neigh/default/gc_thresh1', 8192],
] as const;

/** Who has a port is looked for once in this time, in milliseconds: it reads the descriptors of every process. */
const HOLDER_MS = 30_000;

/** The host's side of the overlays: where vxlan devices are made, and the outer ends of pairs wait. */
export class Host implements Disposable {
  readonly fd: number;
  readonly rtnetlink: Rtnetlink;
  readonly namespaceDirectories: readonly string[];
  readonly isWanted: (networkId: string) => boolean;
  /** Ours; set before any network is. */
  vtep = '';
  readonly #namespace: string;
  #isOpen = true;
  #holder: { readonly port: number; readonly text: string | undefined; readonly atMs: number } | undefined;

  /** @throws KernelError */
  constructor({ namespace, namespaceDirectories, isWanted }: HostOptions) {
    this.namespaceDirectories = namespaceDirectories;
    this.isWanted = isWanted;
    this.rtnetlink = Rtnetlink.open(namespace);
    this.#namespace = namespace ?? OWN_NAMESPACE;
    this.fd = openSync(this.#namespace, 'r');
  }

  /** @throws KernelError */
  raiseNeighbourLimits(): void {
    for (const [key, least] of NEIGHBOUR_LIMITS) {
      try {
        if (Number(readSysctl(this.#namespace, key)) < least) writeSysctl(this.#namespace, key, String(least));
      } catch (error) {
        // Only the first namespace of a kernel has them.
        if (!isKernelErrno(error, 'ENOENT')) throw error;
      }
    }
  }

  /** @throws KernelError */
  async facts(): Promise<HostFacts> {
    const links = new Map((await this.rtnetlink.links()).map((link) => [link.index, link]));
    const at = (await this.rtnetlink.addresses()).find(({ ip }) => ip === this.vtep);
    const underlay = at && links.get(at.ifindex);
    const routes = (await this.rtnetlink.routes()).flatMap((route) => {
      if (route.destination.includes(':') || route.type !== RTN_UNICAST) return [];
      return [{ destination: route.destination, link: links.get(route.ifindex)?.name }];
    });
    return { underlay: underlay && { link: underlay.name, mtu: underlay.mtu }, routes };
  }

  /** Who has the port VXLAN needs; undefined if that cannot be told. */
  async portHolder(port: number): Promise<string | undefined> {
    const known = this.#holder;
    if (known?.port === port && performance.now() - known.atMs < HOLDER_MS) return known.text;
    const text = await portHolder(port, ['udp', 'udp6'], this.#namespace);
    this.#holder = { port, text, atMs: performance.now() };
    return text;
  }

  /** A second call does nothing: by then the descriptor's number may be somebody else's. */
  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.rtnetlink[Symbol.dispose]();
    closeSync(this.fd);
  }
}
