import { KernelRows } from './kernel-rows.ts';
import type { ObservedLink, ObservedNamespace } from './observed.ts';
import type { OverlayOp } from './op.ts';

/** A namespace that behaves as the kernel's do, for tests: it refuses what the kernel refuses, and forgets what it forgets. */
export class ModelKernel {
  links: Map<string, ModelLink> | undefined;
  isNamed = true;
  sysctls = new Map<string, string>();
  readonly outer = new Map<string, string>();

  apply(op: OverlayOp): void {
    if (op.kind === 'namespace-add') {
      if (this.links !== undefined) throw new Error('EEXIST: namespace');
      this.links = new Map();
      this.sysctls = new Map([['net/ipv4/ip_forward', '0']]);
      return;
    }
    if (this.links === undefined) throw new Error(`no namespace for ${op.kind}`);
    switch (op.kind) {
      case 'namespace-name':
        if (this.isNamed) throw new Error('EEXIST: name');
        this.isNamed = true;
        return;
      case 'sysctl-set':
        this.sysctls.set(op.key, op.value);
        return;
      case 'bridge-add':
        this.#add(op.link, { ...NEW_LINK, kind: 'bridge', alias: op.alias, mtu: op.mtu });
        return;
      case 'vxlan-add': {
        const { vni, port, local } = op;
        const vxlan = { vni, port, local, isLearning: false, isProxy: true };
        this.#add(op.link, { ...NEW_LINK, kind: 'vxlan', alias: op.alias, mtu: op.mtu, vxlan });
        return;
      }
      case 'pair-add':
      case 'pair-restore':
        this.#add(op.link, { ...NEW_LINK, kind: 'veth', alias: op.alias, mtu: op.mtu });
        this.outer.set(op.outer.link, op.outer.mac);
        return;
      case 'link-delete':
        this.deleteLink(op.link);
        return;
      case 'link-alias':
        this.#link(op.link).alias = op.alias;
        return;
      case 'link-mtu':
        this.#link(op.link).mtu = op.mtu;
        return;
      case 'link-master':
        if (this.#link(op.master).kind !== 'bridge') throw new Error(`EINVAL: ${op.master} is no bridge`);
        this.#link(op.link).master = op.master;
        return;
      case 'link-up':
        this.#link(op.link).isUp = true;
        return;
      case 'vxlan-learning-off': {
        const link = this.#link(op.link);
        if (link.vxlan !== undefined) link.vxlan = { ...link.vxlan, isLearning: false };
        return;
      }
      case 'address-add':
        if (this.#link(op.link).addresses.has(op.address)) throw new Error(`EEXIST: ${op.address}`);
        this.#link(op.link).addresses.add(op.address);
        return;
      case 'address-delete':
        if (!this.#link(op.link).addresses.delete(op.address)) throw new Error(`EADDRNOTAVAIL: ${op.address}`);
        return;
      case 'neighbour-replace':
        if (!this.#link(op.link).isUp) throw new Error(`ENETDOWN: ${op.link}`);
        this.#link(op.link).neighbours.set(op.ip, op.mac);
        return;
      case 'neighbour-delete':
        if (!this.#link(op.link).neighbours.delete(op.ip)) throw new Error(`ENOENT: ${op.ip}`);
        return;
      case 'fdb-replace':
        this.#link(op.link).forwardings.set(op.mac, op.vtep);
        return;
      case 'fdb-delete':
        if (this.#link(op.link).forwardings.get(op.mac) !== op.vtep) throw new Error(`ENOENT: ${op.mac} ${op.vtep}`);
        this.#link(op.link).forwardings.delete(op.mac);
        return;
      case 'learned-delete':
        this.#link(op.link);
        return;
    }
  }

  deleteLink(name: string): void {
    this.#link(name);
    this.links?.delete(name);
    for (const link of this.links?.values() ?? []) if (link.master === name) link.master = undefined;
  }

  observe(): ObservedNamespace | undefined {
    if (this.links === undefined) return undefined;
    const links = new Map<string, ObservedLink>();
    for (const [name, link] of this.links) {
      links.set(name, { ...link, name, index: 1, addresses: [...link.addresses] });
    }
    return { isNamed: this.isNamed, links, sysctls: new Map(this.sysctls) };
  }

  rows(): KernelRows {
    const rows = new KernelRows();
    for (const [name, { kind, neighbours, forwardings }] of this.links ?? []) {
      if (kind !== 'vxlan') continue;
      const ways = [...forwardings].map(([mac, vtep]) => [mac, { vtep, isStatic: true }] as const);
      rows.setDevice(name, { neighbours: new Map(neighbours), forwardings: new Map(ways) });
    }
    return rows;
  }

  /** The host a packet to this address is sent to, if it is sent at all. */
  wayTo(vxlan: string, ip: string): string | undefined {
    const link = this.links?.get(vxlan);
    if (link?.isUp !== true || link.master === undefined || this.links?.get(link.master)?.isUp !== true)
      return undefined;
    const mac = link.neighbours.get(ip);
    return mac === undefined ? undefined : link.forwardings.get(mac);
  }

  #add(name: string, link: Omit<ModelLink, 'addresses' | 'neighbours' | 'forwardings'>): void {
    if (this.links?.has(name)) throw new Error(`EEXIST: ${name}`);
    this.links?.set(name, { ...link, addresses: new Set(), neighbours: new Map(), forwardings: new Map() });
  }

  #link(name: string): ModelLink {
    const link = this.links?.get(name);
    if (link === undefined) throw new Error(`ENODEV: ${name}`);
    return link;
  }
}

export interface ModelLink {
  kind: string;
  alias: string;
  mtu: number;
  isUp: boolean;
  master: string | undefined;
  vxlan: ObservedLink['vxlan'];
  readonly addresses: Set<string>;
  readonly neighbours: Map<string, string>;
  readonly forwardings: Map<string, string>;
}

const NEW_LINK = { isUp: false, master: undefined, vxlan: undefined };
