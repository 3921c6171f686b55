import { ipBytes, ipText } from '../../gossip/wire/ip.ts';
import { ADD, AF_BRIDGE, AF_INET, AF_INET6, DUMP, REPLACE, REQUEST } from './header.ts';
import { type Message, macOf, needBytes, readAttributes } from './message-reader.ts';
import type { MessageWriter } from './message-writer.ts';

/** linux/neighbour.h, linux/rtnetlink.h: neighbours (IP to MAC) and the rows of forwarding databases (MAC to VTEP or port). */

export const RTM_NEWNEIGH = 28;
export const RTM_DELNEIGH = 29;
const RTM_GETNEIGH = 30;
const NDMSG_BYTES = 12;

const NDA_DST = 1;
const NDA_LLADDR = 2;
const NDA_IFINDEX = 8;

const NUD_NOARP = 0x40;
const NUD_PERMANENT = 0x80;
/** The row is the device's own: for a vxlan device, where a MAC is to be sent. */
const NTF_SELF = 0x02;
/** The row is the bridge's whose port the device is. */
const NTF_MASTER = 0x04;
const NTF_EXT_LEARNED = 0x10;
const RTN_UNICAST = 1;

/** What RTM_NEWNEIGH is to do with a row that is there already. */
export type NeighborMode = 'add' | 'replace';

/** A row of a neighbour table, or of a forwarding database. */
export interface NeighborRow {
  /** AF_INET or AF_INET6 of a neighbour, AF_BRIDGE of a forwarding row. */
  readonly family: number;
  readonly ifindex: number;
  /** Of a neighbour: its IP address. Of a forwarding row on a vxlan device: the VTEP. Rows of a bridge have none. */
  readonly ip: string | undefined;
  /** Undefined for a neighbour that was not found yet. */
  readonly mac: string | undefined;
  /** PERMANENT or NOARP: nobody but its owner changes it. */
  readonly isStatic: boolean;
  /** The row is that of the bridge the device is a port of (NTF_MASTER), not the device's own. */
  readonly isMaster: boolean;
  /** Learned from traffic, or by a program in the name of it (NTF_EXT_LEARNED). */
  readonly isLearned: boolean;
}

/** A permanent neighbour: IP to MAC (`ip neigh`). */
export function writeNewNeighbor(
  w: MessageWriter,
  ifindex: number,
  ip: string,
  mac: string,
  mode: NeighborMode = 'replace',
): void {
  const address = addressBytes(ip);
  w.begin(RTM_NEWNEIGH, mode === 'add' ? ADD : REPLACE);
  writeNdmsg(w, address.length === 4 ? AF_INET : AF_INET6, ifindex, NUD_PERMANENT, 0, RTN_UNICAST);
  w.attributeBytes(NDA_DST, address);
  w.attributeMac(NDA_LLADDR, mac);
  w.end();
}

export function writeDelNeighbor(w: MessageWriter, ifindex: number, ip: string): void {
  const address = addressBytes(ip);
  w.begin(RTM_DELNEIGH, REQUEST);
  writeNdmsg(w, address.length === 4 ? AF_INET : AF_INET6, ifindex, 0, 0, 0);
  w.attributeBytes(NDA_DST, address);
  w.end();
}

/** A permanent row of a vxlan device: MAC to VTEP (`bridge fdb … self`). */
export function writeNewFdb(
  w: MessageWriter,
  ifindex: number,
  mac: string,
  vtep: string,
  mode: NeighborMode = 'replace',
): void {
  w.begin(RTM_NEWNEIGH, mode === 'add' ? ADD : REPLACE);
  writeNdmsg(w, AF_BRIDGE, ifindex, NUD_PERMANENT, NTF_SELF, 0);
  w.attributeMac(NDA_LLADDR, mac);
  w.attributeIp(NDA_DST, vtep);
  w.end();
}

/** The row is gone only if it leads to `vtep`: without, the kernel would not say which of several it took. */
export function writeDelFdb(w: MessageWriter, ifindex: number, mac: string, vtep: string): void {
  w.begin(RTM_DELNEIGH, REQUEST);
  writeNdmsg(w, AF_BRIDGE, ifindex, 0, NTF_SELF, 0);
  w.attributeMac(NDA_LLADDR, mac);
  w.attributeIp(NDA_DST, vtep);
  w.end();
}

/** Makes the bridge forget that it saw `mac` behind this port. */
export function writeDelBridgeFdb(w: MessageWriter, ifindex: number, mac: string): void {
  w.begin(RTM_DELNEIGH, REQUEST);
  writeNdmsg(w, AF_BRIDGE, ifindex, 0, NTF_MASTER, 0);
  w.attributeMac(NDA_LLADDR, mac);
  w.end();
}

/** Neighbours of one device, IPv4 unless told otherwise; needs strict checking to filter (NETLINK_GET_STRICT_CHK). */
export function writeDumpNeighbors(w: MessageWriter, ifindex: number, family: number = AF_INET): void {
  w.begin(RTM_GETNEIGH, DUMP);
  writeNdmsg(w, family, 0, 0, 0, 0);
  if (ifindex !== 0) w.attributeU32(NDA_IFINDEX, ifindex);
  w.end();
}

/**
 * Rows of forwarding databases: of one device its own, and what the bridge whose port it is knows of it; 0 for all devices.
 * With strict checking the device goes into the header (net/core/rtnetlink.c, valid_fdb_dump_strict).
 */
export function writeDumpFdb(w: MessageWriter, ifindex = 0): void {
  w.begin(RTM_GETNEIGH, DUMP);
  writeNdmsg(w, AF_BRIDGE, ifindex, 0, 0, 0);
  w.end();
}

/** @throws NetlinkDecodeError */
export function readNeighbor(message: Message): NeighborRow {
  needBytes(message, NDMSG_BYTES, 'ndmsg');
  const { bytes, start, end } = message;
  const state = bytes.readUInt16LE(start + 8);
  const flags = bytes[start + 10] ?? 0;
  let ip: string | undefined;
  let mac: string | undefined;
  readAttributes(bytes, start + NDMSG_BYTES, end, (type, at, length) => {
    if (type === NDA_DST) ip = ipAt(bytes, at, length);
    else if (type === NDA_LLADDR) mac = macOf(bytes, at, length);
  });
  const isStatic = (state & (NUD_PERMANENT | NUD_NOARP)) !== 0;
  return {
    family: bytes[start] ?? 0,
    ifindex: bytes.readInt32LE(start + 4),
    ip,
    mac,
    isStatic,
    isMaster: (flags & NTF_MASTER) !== 0,
    isLearned: !isStatic || (flags & NTF_EXT_LEARNED) !== 0,
  };
}

/** ndmsg: family u8, pad, ifindex i32 @4, state u16 @8, flags u8 @10, type u8 @11. */
function writeNdmsg(
  w: MessageWriter,
  family: number,
  ifindex: number,
  state: number,
  flags: number,
  type: number,
): void {
  w.u32(family);
  w.u32(ifindex);
  w.u16(state);
  w.u8(flags);
  w.u8(type);
}

function addressBytes(ip: string): Buffer {
  const bytes = ipBytes(ip);
  if (bytes === undefined) throw new TypeError(`not an IP address: ${ip}`);
  return bytes;
}

function ipAt(bytes: Buffer, at: number, length: number): string | undefined {
  if (length === 4) return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
  return ipText(bytes.subarray(at, at + length));
}
