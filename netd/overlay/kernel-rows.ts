import type { RowOp } from './op.ts';

/** A row of the forwarding table of a vxlan device. */
export interface Forwarding {
  readonly vtep: string;
  /** Permanent, or at least never learned: a learned row ages and hides that ours is missing (spec dataplane §8.1, no. 2). */
  readonly isStatic: boolean;
}

/** All rows of one vxlan device: addresses to hardware addresses, and those to where they are. */
export interface DeviceRows {
  readonly neighbours: Map<string, string>;
  readonly forwardings: Map<string, Forwarding>;
}

/** How what was believed compares with a dump. `disturbed`: rows were written meanwhile, and the dump may lack others. */
export type Belief = 'right' | 'corrected' | 'disturbed';

/**
 * The neighbours and forwarding rows the kernel has, by vxlan device: as last dumped, with what was done since. It is
 * believed between two dumps only.
 *
 * A dump takes a while, and rows are written meanwhile: between `startNoting` and `correct` it is noted which. Of those the
 * dump may tell either state; the kernel's answer to the write is the later word.
 */
export class KernelRows {
  readonly #devices = new Map<string, DeviceRows>();
  /** Addresses and hardware addresses whose rows were written since a dump began. */
  readonly #noted = new Map<string, Set<string>>();

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
  setDevice(link: string, rows: DeviceRows): void {
    this.#devices.set(link, rows);
    this.#noted.delete(link);
  }

  /** A dump of the device is about to begin. */
  startNoting(link: string): void {
    this.#noted.set(link, new Set());
  }

  /** There is no dump after all. */
  stopNoting(link: string): void {
    this.#noted.delete(link);
  }

  /**
   * Believes a dump that began with `startNoting`, but for the rows that were written meanwhile. While the kernel walks its
   * tables, a row that goes makes it pass over another: rows it lacks are then not taken for gone.
   *
   * @param isLast they are, as no dump seems to be left in peace
   */
  correct(link: string, seen: DeviceRows, isLast: boolean): Belief {
    const believed = this.#devices.get(link);
    const noted = this.#noted.get(link);
    this.#noted.delete(link);
    // The device is another one by now.
    if (believed === undefined || noted === undefined) return 'right';
    const verdicts = [
      correctTable(believed.neighbours, seen.neighbours, noted, isLast, (a, b) => a === b),
      correctTable(believed.forwardings, seen.forwardings, noted, isLast, isSameForwarding),
    ];
    if (verdicts.includes('disturbed')) return 'disturbed';
    return verdicts.includes('corrected') ? 'corrected' : 'right';
  }

  /** Ops that are on their way to the kernel. */
  writing(ops: readonly RowOp[]): void {
    if (this.#noted.size > 0) for (const op of ops) this.#note(op);
  }

  /** Looks at a device of another view of the kernel; neither may be changed afterwards. */
  shareDevice(link: string, other: KernelRows): void {
    const device = other.#devices.get(link);
    if (device !== undefined) this.#devices.set(link, device);
  }

  /** The device is gone, or new, and its rows with it. */
  clearDevice(link: string): void {
    this.#devices.delete(link);
    this.#noted.delete(link);
  }

  done(op: RowOp): void {
    this.#note(op);
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

  #note(op: RowOp): void {
    this.#noted.get(op.link)?.add('ip' in op ? op.ip : op.mac);
  }
}

/** Corrects what is believed of one table. */
function correctTable<T>(
  believed: Map<string, T>,
  seen: ReadonlyMap<string, T>,
  noted: ReadonlySet<string>,
  isLast: boolean,
  isSame: (a: T, b: T) => boolean,
): Belief {
  let belief: Belief = 'right';
  for (const [key, value] of seen) {
    const before = believed.get(key);
    if ((before !== undefined && isSame(before, value)) || noted.has(key)) continue;
    believed.set(key, value);
    belief = 'corrected';
  }
  for (const key of believed.keys()) {
    if (seen.has(key) || noted.has(key)) continue;
    if (noted.size > 0 && !isLast) return 'disturbed';
    believed.delete(key);
    belief = 'corrected';
  }
  return belief;
}

function isSameForwarding(a: Forwarding, b: Forwarding): boolean {
  return a.vtep === b.vtep && a.isStatic === b.isStatic;
}

const NO_NEIGHBOURS: ReadonlyMap<string, string> = new Map();
const NO_FORWARDINGS: ReadonlyMap<string, Forwarding> = new Map();
