import { contains, ipv4Number, parseCidr } from '../overlay/subnets.ts';
import type { OverlayView, Segment } from '../overlay/view.ts';

/** Whether the subnet, as text, contains the address. */
export function isInside(subnet: string, address: string): boolean {
  const cidr = parseCidr(subnet);
  const number = ipv4Number(address);
  return cidr !== undefined && number !== undefined && contains(cidr, number);
}

/** The part of a network that the address belongs to. */
export function segmentOf({ segments }: OverlayView, address: string): Segment | undefined {
  return segments.find(({ subnet }) => isInside(subnet, address));
}

/** `10.0.1.5` of `10.0.1.5/24`. */
export function plain(address: string): string {
  return address.split('/')[0] ?? '';
}
