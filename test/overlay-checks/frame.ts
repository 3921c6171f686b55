/** A frame as it was on a link of the underlay, and what was in it if it was VXLAN (RFC 7348). */
export interface Frame {
  readonly etherType: number;
  /** IPv4, of the underlay; undefined for anything else. */
  readonly outer: OuterPacket | undefined;
  readonly vxlan: VxlanPacket | undefined;
}

export interface OuterPacket {
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  readonly doNotFragment: boolean;
  readonly isFragment: boolean;
  /** Of the whole packet, as it says itself. */
  readonly bytes: number;
}

export interface VxlanPacket {
  readonly port: number;
  readonly flags: number;
  /** The 24 bits after the flags and the 8 after the number, which are zero. */
  readonly reserved: number;
  readonly vni: number;
  readonly sourceMac: string;
  readonly destinationMac: string;
  readonly etherType: number;
  /** Of the inner IPv4 packet; empty for anything else. */
  readonly source: string;
  readonly destination: string;
}

export const ETHERTYPE_ARP = 0x0806;
const ETHERTYPE_IPV4 = 0x0800;
const PROTOCOL_UDP = 17;
const ETHERNET_BYTES = 14;
const UDP_BYTES = 8;
const VXLAN_BYTES = 8;

/** Reads a frame. @param port UDP port that carries VXLAN */
export function readFrame(bytes: Buffer, port: number): Frame {
  const etherType = bytes.readUInt16BE(12);
  const ip = bytes.subarray(ETHERNET_BYTES);
  const outer = etherType === ETHERTYPE_IPV4 && ip.length >= 20 ? readOuter(ip) : undefined;
  if (outer === undefined || outer.protocol !== PROTOCOL_UDP || outer.isFragment) {
    return { etherType, outer, vxlan: undefined };
  }
  const udp = ip.subarray((ip.readUInt8(0) & 0xf) * 4);
  const isVxlan = udp.length >= UDP_BYTES + VXLAN_BYTES + ETHERNET_BYTES && udp.readUInt16BE(2) === port;
  return { etherType, outer, vxlan: isVxlan ? readVxlan(udp.subarray(UDP_BYTES), port) : undefined };
}

function readOuter(ip: Buffer): OuterPacket {
  const fragment = ip.readUInt16BE(6);
  return {
    source: ipText(ip, 12),
    destination: ipText(ip, 16),
    protocol: ip.readUInt8(9),
    doNotFragment: (fragment & 0x4000) !== 0,
    // More to come, or not the first.
    isFragment: (fragment & 0x3fff) !== 0,
    bytes: ip.readUInt16BE(2),
  };
}

function readVxlan(header: Buffer, port: number): VxlanPacket {
  const inner = header.subarray(VXLAN_BYTES);
  const etherType = inner.readUInt16BE(12);
  const hasIp = etherType === ETHERTYPE_IPV4 && inner.length >= ETHERNET_BYTES + 20;
  return {
    port,
    flags: header.readUInt8(0),
    reserved: (header.readUIntBE(1, 3) << 8) | header.readUInt8(7),
    vni: header.readUIntBE(4, 3),
    destinationMac: macText(inner, 0),
    sourceMac: macText(inner, 6),
    etherType,
    source: hasIp ? ipText(inner, ETHERNET_BYTES + 12) : '',
    destination: hasIp ? ipText(inner, ETHERNET_BYTES + 16) : '',
  };
}

function ipText(bytes: Buffer, at: number): string {
  return [...bytes.subarray(at, at + 4)].join('.');
}

function macText(bytes: Buffer, at: number): string {
  return [...bytes.subarray(at, at + 6)].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** The hardware address that every node gives an endpoint whose address nobody chose one for (spec dataplane §1.6). */
export function macOf(ip: string): string {
  return `02:42:${ip
    .split('.')
    .map((byte) => Number(byte).toString(16).padStart(2, '0'))
    .join(':')}`;
}
