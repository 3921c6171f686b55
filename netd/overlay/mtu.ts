// MTU arithmetic (spec dataplane §1.9). Every node must come to the same numbers: nothing on the wire tells them apart, large
// packets just vanish.

/** What the underlay is taken to carry unless the network says otherwise; never read from a link. */
export const DEFAULT_UNDERLAY_MTU = 1500;
/** Inner Ethernet 14, IPv4 20, UDP 8, VXLAN 8. */
export const VXLAN_OVERHEAD_BYTES = 50;
/** The same over an IPv6 underlay; the MTU of the overlay does not account for it. */
export const VXLAN_OVERHEAD_V6_BYTES = 70;
/** ESP header 8, IV 8, pad length 1, next header 1, ICV 8. */
const ESP_OVERHEAD_BYTES = 26;
const ESP_ALIGN_BYTES = 4;
/** Least an IPv4 link may have (RFC 791). */
const LEAST_IPV4_MTU = 68;

/** MTU of the vxlan device and of both ends of every pair, in bytes; undefined if the option leaves no room for IPv4. */
export function overlayMtu(underlayMtu: number | undefined, encrypted: boolean): number | undefined {
  const plain = (underlayMtu ?? DEFAULT_UNDERLAY_MTU) - VXLAN_OVERHEAD_BYTES;
  const secure = plain - ESP_OVERHEAD_BYTES;
  const mtu = encrypted ? secure - (secure % ESP_ALIGN_BYTES) : plain;
  return mtu < LEAST_IPV4_MTU ? undefined : mtu;
}

/** Bytes a link of the underlay must carry, so that no outer packet is cut into fragments. */
export function neededUnderlayMtu(mtu: number, vtep: string): number {
  return mtu + (vtep.includes(':') ? VXLAN_OVERHEAD_V6_BYTES : VXLAN_OVERHEAD_BYTES);
}
