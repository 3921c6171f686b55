import { RTM_DELADDR, RTM_NEWADDR, readAddress } from './address.ts';
import { RTM_DELLINK, RTM_NEWLINK } from './link.ts';
import { readLink } from './link-row.ts';
import type { Message } from './message-reader.ts';
import { type NeighborRow, RTM_DELNEIGH, RTM_NEWNEIGH, readNeighbor } from './neighbor.ts';
import { RTM_DELROUTE, RTM_NEWROUTE, readRoute } from './route.ts';

/** What tables of the kernel tell of, by multicast. */
export type Topic = 'link' | 'address' | 'neighbor' | 'route';

/**
 * Something changed. Not what: whoever hears of it looks. Neighbours include rows of forwarding databases.
 * Changes of our own are told of as well.
 */
export interface KernelEvent {
  readonly topic: Topic;
  readonly isRemoval: boolean;
  /** Of the link it is about; 0 for a route without one. */
  readonly ifindex: number;
  /** Of topic `neighbor`: the row as it is, or was. One who writes thousands can tell his own without a look at each. */
  readonly row?: NeighborRow;
}

interface Kind {
  readonly topic: Topic;
  readonly isRemoval: boolean;
  readonly ifindex: (message: Message) => number;
}

const KINDS: ReadonlyMap<number, Kind> = new Map<number, Kind>([
  [RTM_NEWLINK, { topic: 'link', isRemoval: false, ifindex: (m) => readLink(m).index }],
  [RTM_DELLINK, { topic: 'link', isRemoval: true, ifindex: (m) => readLink(m).index }],
  [RTM_NEWADDR, { topic: 'address', isRemoval: false, ifindex: (m) => readAddress(m).ifindex }],
  [RTM_DELADDR, { topic: 'address', isRemoval: true, ifindex: (m) => readAddress(m).ifindex }],
  [RTM_NEWNEIGH, { topic: 'neighbor', isRemoval: false, ifindex: (m) => readNeighbor(m).ifindex }],
  [RTM_DELNEIGH, { topic: 'neighbor', isRemoval: true, ifindex: (m) => readNeighbor(m).ifindex }],
  [RTM_NEWROUTE, { topic: 'route', isRemoval: false, ifindex: (m) => readRoute(m).ifindex }],
  [RTM_DELROUTE, { topic: 'route', isRemoval: true, ifindex: (m) => readRoute(m).ifindex }],
]);

/** RTNLGRP_* of linux/rtnetlink.h: IPv4 and IPv6 have groups of their own. */
export const GROUPS: Readonly<Record<Topic, readonly number[]>> = {
  link: [1],
  neighbor: [3],
  address: [5, 9],
  route: [7, 11],
};

/** @returns undefined for a message of another kind. @throws NetlinkDecodeError */
export function readEvent(message: Message): KernelEvent | undefined {
  const kind = KINDS.get(message.type);
  if (kind === undefined) return undefined;
  if (kind.topic === 'neighbor') {
    const row = readNeighbor(message);
    return { topic: kind.topic, isRemoval: kind.isRemoval, ifindex: row.ifindex, row };
  }
  return { topic: kind.topic, isRemoval: kind.isRemoval, ifindex: kind.ifindex(message) };
}
