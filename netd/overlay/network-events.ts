import type { KernelEvent } from '../kernel/netlink/event.ts';
import type { OverlayNetwork } from './network.ts';
import type { KernelRow } from './observed.ts';

/** AF_BRIDGE: a row of a forwarding table. */
const AF_BRIDGE = 7;

/** What a notification asks for. */
export type Due = 'links' | 'rows' | 'all' | undefined;

/**
 * What is to be looked at after the kernel told of a change in a network's namespace. Our own changes are told too: those of
 * rows, which come by the thousand, ask for nothing as long as they say what is wanted.
 */
export function dueAfter(event: KernelEvent | 'overrun', network: OverlayNetwork): Due {
  if (event === 'overrun') return 'all';
  switch (event.topic) {
    case 'link':
    case 'address':
      return 'links';
    case 'route':
      return undefined;
    case 'neighbor': {
      const link = network.linkOf(event.ifindex);
      const row = link === undefined ? undefined : rowOf(event);
      return link === undefined || row === undefined || network.isAsWanted(link, row) ? undefined : 'rows';
    }
  }
}

function rowOf({ row, isRemoval }: KernelEvent): KernelRow | undefined {
  // What bridges learn is their own affair.
  if (row === undefined || row.isMaster) return undefined;
  const { mac, isStatic } = row;
  if (row.family === AF_BRIDGE) return { kind: 'forwarding', isGone: isRemoval, isStatic, mac, vtep: row.ip };
  return { kind: 'neighbour', isGone: isRemoval, isStatic, mac, ip: row.ip };
}
