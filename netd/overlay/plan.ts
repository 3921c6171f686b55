import { KernelRows } from './kernel-rows.ts';
import type { ObservedNamespace } from './observed.ts';
import type { OverlayOp } from './op.ts';
import { planLinks } from './plan-links.ts';
import { planAllRows, planSomeRows, type RowsWanted } from './plan-rows.ts';
import type { OverlayView } from './view.ts';

/** All that decides what a network should be like. */
export interface Wanted {
  readonly view: OverlayView;
  readonly rows: Omit<RowsWanted, 'vxlans'>;
}

/**
 * What makes the namespace of a network the wanted one, in the order that loses no packet (spec dataplane §8.4): what
 * leads local addresses away goes first, devices come before rows, forwarding before neighbours, adds before deletes.
 *
 * @param observed undefined if the namespace does not exist
 * @param kernel rows of the vxlan devices; those of devices that have to be made anew do not count
 * @param scope all rows, or those these addresses touch
 */
export function planNetwork(
  wanted: Wanted,
  observed: ObservedNamespace | undefined,
  kernel: KernelRows,
  scope: 'all' | Iterable<string> = 'all',
): OverlayOp[] {
  const { view } = wanted;
  const links = planLinks(view, observed);
  const rows = { ...wanted.rows, vxlans: view.segments.map(({ vxlan }) => vxlan.name) };
  const isAll = scope === 'all' || observed === undefined || links.fresh.size > 0;
  const kept = isAll ? withoutDevices(kernel, observed === undefined ? 'all' : links.fresh) : kernel;
  const { becameLocal, adds, deletes } = isAll ? planAllRows(rows, kept) : planSomeRows(rows, kept, scope);
  return [...becameLocal, ...links.base, ...links.ports, ...adds, ...deletes, ...links.leftovers];
}

/** The rows of one network that some addresses touch; the cheap way from a gossip event to the kernel. */
export function planRows(wanted: Wanted, kernel: KernelRows, ips: Iterable<string>): OverlayOp[] {
  const vxlans = wanted.view.segments.map(({ vxlan }) => vxlan.name);
  const { becameLocal, adds, deletes } = planSomeRows({ ...wanted.rows, vxlans }, kernel, ips);
  return [...becameLocal, ...adds, ...deletes];
}

function withoutDevices(kernel: KernelRows, gone: ReadonlySet<string> | 'all'): KernelRows {
  const kept = new KernelRows();
  if (gone === 'all') return kept;
  for (const link of kernel.devices) if (!gone.has(link)) kept.shareDevice(link, kernel);
  return kept;
}
