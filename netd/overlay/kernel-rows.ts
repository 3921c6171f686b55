import type { RowOp } from './op.ts';

/** A row of the forwarding table of a vxlan device. */
export interface Forwarding {
  readonly vtep: string;
  /** Permanent, or at least never learned: a learned row ages and hides that ours is missing (spec dataplane §8.1, no. 2). */
  readonly isStatic: boolean;
}

/**
 * The neighbours and forwarding rows the kernel has, by vxlan device: as last dumped, with what was done since. It is
 * believed between two dumps only.
 */
export class KernelRows {
  readonly #devices = new Map<string, Device>();

  /** Devices that were dumped. */
  get devices(): Iterable<string> {
    return this.#devices.keys();
  }

  /** Neighbour rows on all devices. */
  get size(): number {
    let size = 0;
    for (const { neighbours } of this.#devices.values()) size += neighbours.size;
    return size;
  }

  neighbours(link: string): ReadonlyMap<string, string> {
    return this.#devices.get(link)?.neighbours ?? NO_NEIGHBOURS;
  }

  forwardings(link: string): ReadonlyMap<string, Forwarding> {
    return this.#devices.get(link)?.forwardings ?? NO_FORWARDINGS;
  }

  /** The device is there, and these are its rows. */
  setDevice(link: string, neighbours: Map<string, string>, forwardings: Map<string, Forwarding>): void {
    this.#devices.set(link, { neighbours, forwardings });
  }

  /** Looks at a device of another view of the kernel; neither may be changed afterwards. */
  shareDevice(link: string, other: KernelRows): void {
    const device = other.#devices.get(link);
    if (device !== undefined) this.#devices.set(link, device);
  }

  /** The device is gone, or new, and its rows with it. */
  clearDevice(link: string): void {
    this.#devices.delete(link);
  }

  done(op: RowOp): void {
    let device = this.#devices.get(op.link);
    if (device === undefined) {
      device = { neighbours: new Map(), forwardings: new Map() };
      this.#devices.set(op.link, device);
    }
    switch (op.kind) {
      case 'neighbour-replace':
        device.neighbours.set(op.ip, op.mac);
        return;
      case 'neighbour-delete':
        device.neighbours.delete(op.ip);
        return;
      case 'fdb-replace':
        device.forwardings.set(op.mac, { vtep: op.vtep, isStatic: true });
        return;
      case 'fdb-delete':
        // A delete that names another destination than the row has does nothing (spec dataplane §2.2).
        if (device.forwardings.get(op.mac)?.vtep === op.vtep) device.forwardings.delete(op.mac);
        return;
      case 'learned-delete':
        return;
    }
  }
}

interface Device {
  readonly neighbours: Map<string, string>;
  readonly forwardings: Map<string, Forwarding>;
}

const NO_NEIGHBOURS: ReadonlyMap<string, string> = new Map();
const NO_FORWARDINGS: ReadonlyMap<string, Forwarding> = new Map();
