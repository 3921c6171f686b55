import type { KernelRows } from './kernel-rows.ts';
import type { RowOp } from './op.ts';
import type { Winners } from './winners.ts';

/** Row changes in three parts, because other changes stand between them (spec dataplane §8.4). */
export interface RowPlan {
  /** Before an endpoint starts here: as long as a row leads its address away, the vxlan device answers ARP in its place. */
  readonly becameLocal: readonly RowOp[];
  readonly adds: readonly RowOp[];
  readonly deletes: readonly RowOp[];
}

export interface RowsWanted {
  /** vxlan device of each subnet, in order. */
  readonly vxlans: readonly string[];
  readonly winners: Pick<Winners, 'winner' | 'winners' | 'forwarding'>;
  readonly local: ReadonlySet<string>;
  /** Nothing is taken away for now, but from addresses that are local: whoever told us of the rows may only be silent. */
  readonly holdDeletes: boolean;
}

/** Compares all rows. */
export function planAllRows(wanted: RowsWanted, kernel: KernelRows): RowPlan {
  const plan = new Planner(wanted, kernel);
  for (const { ip } of wanted.winners.winners()) plan.want(ip);
  for (const link of wanted.vxlans) {
    for (const ip of kernel.neighbours(link).keys()) plan.judgeNeighbour(link, ip);
    for (const mac of kernel.forwardings(link).keys()) plan.judgeForwarding(link, mac);
  }
  return plan.finish();
}

/** Compares only what these addresses touch: what it costs does not depend on how many rows there are. */
export function planSomeRows(wanted: RowsWanted, kernel: KernelRows, ips: Iterable<string>): RowPlan {
  const plan = new Planner(wanted, kernel);
  for (const ip of ips) {
    plan.want(ip);
    for (const link of wanted.vxlans) {
      const mac = kernel.neighbours(link).get(ip);
      if (mac === undefined) continue;
      plan.judgeNeighbour(link, ip);
      plan.judgeForwarding(link, mac);
    }
  }
  return plan.finish();
}

class Planner {
  readonly #wanted: RowsWanted;
  readonly #kernel: KernelRows;
  readonly #becameLocal: RowOp[] = [];
  readonly #fdbAdds = new Map<string, RowOp>();
  readonly #neighbourAdds: RowOp[] = [];
  readonly #neighbourDeletes: RowOp[] = [];
  readonly #fdbDeletes = new Map<string, RowOp>();

  constructor(wanted: RowsWanted, kernel: KernelRows) {
    this.#wanted = wanted;
    this.#kernel = kernel;
  }

  /** A remote address must have a neighbour row, and its hardware address a forwarding row. */
  want(ip: string): void {
    const winner = this.#wanted.winners.winner(ip);
    const link = winner && this.#wanted.vxlans[winner.subnet];
    if (winner === undefined || link === undefined) return;
    const { mac } = winner;
    if (this.#kernel.neighbours(link).get(ip) !== mac) {
      this.#neighbourAdds.push({ kind: 'neighbour-replace', link, ip, mac });
    }
    this.judgeForwarding(link, mac);
  }

  /** A neighbour row the kernel has: nobody wants it, if the address has no winner on this device. */
  judgeNeighbour(link: string, ip: string): void {
    const winner = this.#wanted.winners.winner(ip);
    if (winner !== undefined && this.#wanted.vxlans[winner.subnet] === link) return;
    const drop: RowOp = { kind: 'neighbour-delete', link, ip };
    if (!this.#wanted.local.has(ip)) {
      if (!this.#wanted.holdDeletes) this.#neighbourDeletes.push(drop);
      return;
    }
    this.#becameLocal.push(drop);
    // The bridge may still send frames for the address to the vxlan device, until the new owner has spoken.
    const mac = this.#kernel.neighbours(link).get(ip);
    if (mac !== undefined) this.#becameLocal.push({ kind: 'learned-delete', link, mac });
  }

  /** The forwarding row of a hardware address is wanted as long as some remote address has it, and leads after the latest. */
  judgeForwarding(link: string, mac: string): void {
    const has = this.#kernel.forwardings(link).get(mac);
    const wanted = this.#wanted.winners.forwarding(this.#wanted.vxlans.indexOf(link), mac);
    if (wanted !== undefined && has?.vtep === wanted.vtep && has.isStatic) return;
    const key = `${link} ${mac}`;
    if (wanted !== undefined) {
      this.#fdbAdds.set(key, { kind: 'fdb-replace', link, mac, vtep: wanted.vtep });
    } else if (has?.isStatic && !this.#wanted.holdDeletes) {
      // A learned row goes by itself, and does no harm where none is wanted.
      this.#fdbDeletes.set(key, { kind: 'fdb-delete', link, mac, vtep: has.vtep });
    }
  }

  /** A neighbour without its forwarding row is a black hole: forwarding rows come first and go last. */
  finish(): RowPlan {
    return {
      becameLocal: this.#becameLocal,
      adds: [...this.#fdbAdds.values(), ...this.#neighbourAdds],
      deletes: [...this.#neighbourDeletes, ...this.#fdbDeletes.values(), ...this.#forgotten()],
    };
  }

  /** What a bridge learned of an address that is no longer behind its vxlan device. */
  #forgotten(): RowOp[] {
    return [...this.#fdbDeletes.values()].flatMap((op) =>
      op.kind === 'fdb-delete' ? [{ kind: 'learned-delete', link: op.link, mac: op.mac }] : [],
    );
  }
}
