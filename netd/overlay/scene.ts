import { NetdError } from '#base/errors.ts';
import type { Host } from './host.ts';
import type { KernelRows } from './kernel-rows.ts';
import type { Namespace } from './namespace.ts';
import type { OverlayOp } from './op.ts';

/** Where ops are carried out. The namespace is undefined until there is one. */
export interface Scene {
  readonly host: Host;
  readonly path: string;
  namespace: Namespace | undefined;
  /** Links of the namespace, by name, that were there at the last look and have not been deleted since: their index. */
  indexes: Map<string, number>;
  /** What the rows are believed to be; kept in step with what is done. */
  rows: KernelRows;
}

/** The ops that failed, with the reason. */
export type Failures = Map<OverlayOp, string>;

/** Of two ops about a link the second is senseless when the first failed: reasons, by link. */
export type BrokenLinks = Map<string, string>;

/** The kernel is asked only for links made since the last look: each question waits for a lock that others hold for long. */
export async function indexOf({ indexes }: Scene, { rtnetlink }: Namespace, name: string): Promise<number | undefined> {
  return indexes.get(name) ?? (await rtnetlink.link(name))?.index;
}

export function noLink(name: string): NetdError {
  return new NetdError('no-link', `there is no link ${name}`);
}

/** The ops from `first` on that are all of one sort. */
export function runOf<T extends OverlayOp>(
  ops: readonly OverlayOp[],
  first: number,
  is: (op: OverlayOp) => op is T,
): readonly T[] {
  const run: T[] = [];
  for (let at = first; at < ops.length; at++) {
    const op = ops[at];
    if (op === undefined || !is(op)) break;
    run.push(op);
  }
  return run;
}
