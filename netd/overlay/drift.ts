import { type OverlayOp, opText } from './op.ts';

/** A difference between what the kernel had and what it should have had that no wish of ours explains. */
export interface Drift {
  readonly network: string;
  /** `no neighbour row for 10.0.1.5 on ndx…` */
  readonly what: string;
  /** Milliseconds since the epoch: when it was found. */
  readonly sinceMs: number;
  /** The op that mended it, or is tried at every pass. */
  readonly how: string;
  readonly mendedMs: number | undefined;
  /** Why it is not mended. */
  readonly error: string | undefined;
}

/** What differed, by the kind of thing. */
export const DRIFT_UNITS = ['namespace', 'sysctl', 'link', 'address', 'neighbour', 'forwarding'] as const;
export type DriftUnit = (typeof DRIFT_UNITS)[number];
export type DriftCounts = Readonly<Record<DriftUnit, number>>;

/** Mended differences remembered, of all networks: enough for one incident; counters have the rest. */
export const MOST_MENDED = 100;
/** Differences of one pass that are told one by one: a lost device has thousands of rows. */
export const MOST_PER_PASS = 20;

/** What differs, and lately differed. Values in, values out; the time comes with each pass. */
export class DriftLog {
  readonly #open = new Map<string, Drift>();
  #mended: Drift[] = [];
  readonly #counts = noCounts();
  readonly #found = new Map<string, number>();

  /** Differences found since the start. */
  get total(): number {
    return DRIFT_UNITS.reduce((sum, unit) => sum + this.#counts[unit], 0);
  }

  /** The same by kind. */
  get counts(): DriftCounts {
    return { ...this.#counts };
  }

  /** Differences found on a network since it is here. */
  found(network: string): number {
    return this.#found.get(network) ?? 0;
  }

  /** Not mended yet. */
  get open(): readonly Drift[] {
    return [...this.#open.values()];
  }

  /** Mended, latest last. */
  get mended(): readonly Drift[] {
    return this.#mended;
  }

  /**
   * Takes down a pass.
   *
   * @param isFull it looked at everything: what it did not find is no more
   * @param unexplained ops that no change of our wishes explains
   * @param failed ops that did not work, with the reason
   */
  pass(
    network: string,
    nowMs: number,
    isFull: boolean,
    unexplained: readonly OverlayOp[],
    failed: ReadonlyMap<OverlayOp, string>,
  ): void {
    for (const op of unexplained) this.#counts[driftUnit(op)]++;
    if (unexplained.length > 0) this.#found.set(network, this.found(network) + unexplained.length);
    const stillOpen = new Set<string>();
    for (const op of unexplained.slice(0, MOST_PER_PASS)) {
      const how = opText(op);
      const key = `${network} ${how}`;
      const before = this.#open.get(key);
      const drift = { network, what: whatDiffers(op), sinceMs: before?.sinceMs ?? nowMs, how };
      const error = failed.get(op);
      this.#open.delete(key);
      if (error === undefined) this.#mended.push({ ...drift, mendedMs: nowMs, error: undefined });
      else {
        stillOpen.add(key);
        this.#open.set(key, { ...drift, mendedMs: undefined, error });
      }
    }
    // What this pass no longer wanted to mend is well, or no longer ours to mend.
    for (const [key, drift] of this.#open) {
      if (!isFull || drift.network !== network || stillOpen.has(key)) continue;
      this.#open.delete(key);
      this.#mended.push({ ...drift, mendedMs: nowMs, error: undefined });
    }
    this.#mended = this.#mended.slice(-MOST_MENDED);
  }

  forget(network: string): void {
    for (const [key, drift] of this.#open) if (drift.network === network) this.#open.delete(key);
    this.#found.delete(network);
  }
}

function noCounts(): Record<DriftUnit, number> {
  return { namespace: 0, sysctl: 0, link: 0, address: 0, neighbour: 0, forwarding: 0 };
}

/** The kind of thing an op is about. */
export function driftUnit(op: OverlayOp): DriftUnit {
  switch (op.kind) {
    case 'namespace-add':
    case 'namespace-name':
      return 'namespace';
    case 'sysctl-set':
      return 'sysctl';
    case 'address-add':
    case 'address-delete':
      return 'address';
    case 'neighbour-replace':
    case 'neighbour-delete':
      return 'neighbour';
    case 'fdb-replace':
    case 'fdb-delete':
    case 'learned-delete':
      return 'forwarding';
    case 'bridge-add':
    case 'vxlan-add':
    case 'pair-add':
    case 'pair-restore':
    case 'link-delete':
    case 'link-alias':
    case 'link-mtu':
    case 'link-master':
    case 'link-up':
    case 'vxlan-learning-off':
      return 'link';
  }
}

/** What an op says about how the kernel was. */
export function whatDiffers(op: OverlayOp): string {
  switch (op.kind) {
    case 'namespace-add':
      return `namespace ${op.namespace} is gone`;
    case 'namespace-name':
      return `namespace ${op.namespace} has lost its name`;
    case 'sysctl-set':
      return `${op.key.replaceAll('/', '.')} is not ${op.value}`;
    case 'bridge-add':
    case 'vxlan-add':
    case 'pair-add':
    case 'pair-restore':
      return `${op.link} is gone`;
    case 'link-delete':
      return `${op.link} is there: ${op.why}`;
    case 'link-alias':
      return `${op.link} does not say whose it is`;
    case 'link-mtu':
      return `the MTU of ${op.link} is not ${op.mtu}`;
    case 'link-master':
      return `${op.link} is no port of ${op.master}`;
    case 'link-up':
      return `${op.link} is down`;
    case 'vxlan-learning-off':
      return `${op.link} learns`;
    case 'address-add':
      return `${op.link} has no address ${op.address}`;
    case 'address-delete':
      return `${op.link} has the address ${op.address}`;
    case 'neighbour-replace':
      return `no neighbour row ${op.ip} at ${op.mac} on ${op.link}`;
    case 'neighbour-delete':
      return `a neighbour row ${op.ip} on ${op.link}`;
    case 'fdb-replace':
      return `no forwarding row ${op.mac} to ${op.vtep} on ${op.link}`;
    case 'fdb-delete':
      return `a forwarding row ${op.mac} to ${op.vtep} on ${op.link}`;
    case 'learned-delete':
      return `what the bridge learned of ${op.mac} on ${op.link}`;
  }
}
