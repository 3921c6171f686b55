import { ipBytes, ipText } from '../../gossip/wire/ip.ts';
import { ADD, AF_INET, AF_INET6, AF_UNSPEC, DUMP, REQUEST } from './header.ts';
import { type Message, needBytes, readAttributes, stringOf, u32Of } from './message-reader.ts';
import type { MessageWriter } from './message-writer.ts';

/** linux/if_addr.h: addresses of links. */

export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
const RTM_GETADDR = 22;
const IFADDRMSG_BYTES = 8;

const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_LABEL = 3;
const IFA_FLAGS = 8;

/** No duplicate address detection: an IPv6 address is usable at once. */
const IFA_F_NODAD = 0x02;
/** The kernel adds no route to the prefix. */
const IFA_F_NOPREFIXROUTE = 0x200;

export interface AddressRow {
  readonly ifindex: number;
  readonly ip: string;
  readonly prefixLength: number;
  /** RT_SCOPE_*: 0 universe, 253 link, 254 host. */
  readonly scope: number;
  readonly flags: number;
  readonly label: string | undefined;
}

export interface AddressSettings {
  readonly noPrefixRoute?: boolean | undefined;
  readonly scope?: number | undefined;
}

export function writeNewAddress(
  w: MessageWriter,
  ifindex: number,
  ip: string,
  prefixLength: number,
  settings: AddressSettings = {},
): void {
  w.begin(RTM_NEWADDR, ADD);
  const isV6 = writeAddress(w, ifindex, ip, prefixLength, settings.scope ?? 0);
  const flags = (isV6 ? IFA_F_NODAD : 0) | (settings.noPrefixRoute ? IFA_F_NOPREFIXROUTE : 0);
  if (flags !== 0) w.attributeU32(IFA_FLAGS, flags);
  w.end();
}

export function writeDelAddress(w: MessageWriter, ifindex: number, ip: string, prefixLength: number): void {
  w.begin(RTM_DELADDR, REQUEST);
  writeAddress(w, ifindex, ip, prefixLength, 0);
  w.end();
}

/** @param ifindex of one link (needs strict checking); 0 for all */
export function writeDumpAddresses(w: MessageWriter, ifindex = 0): void {
  w.begin(RTM_GETADDR, DUMP);
  w.u32(AF_UNSPEC);
  w.u32(ifindex);
  w.end();
}

/** @throws NetlinkDecodeError */
export function readAddress(message: Message): AddressRow {
  needBytes(message, IFADDRMSG_BYTES, 'ifaddrmsg');
  const { bytes, start, end } = message;
  let local: string | undefined;
  let address: string | undefined;
  let label: string | undefined;
  let flags = bytes[start + 2] ?? 0;
  readAttributes(bytes, start + IFADDRMSG_BYTES, end, (type, at, length) => {
    if (type === IFA_LOCAL) local = ipText(bytes.subarray(at, at + length));
    else if (type === IFA_ADDRESS) address = ipText(bytes.subarray(at, at + length));
    else if (type === IFA_LABEL) label = stringOf(bytes, at, length);
    else if (type === IFA_FLAGS) flags = u32Of(bytes, at, length);
  });
  return {
    ifindex: bytes.readUInt32LE(start + 4),
    // On a point-to-point link ADDRESS is the other end.
    ip: local ?? address ?? '',
    prefixLength: bytes[start + 1] ?? 0,
    scope: bytes[start + 3] ?? 0,
    flags,
    label,
  };
}

/** ifaddrmsg: family u8 @0, prefixlen u8 @1, flags u8 @2, scope u8 @3, index u32 @4. Returns whether it is IPv6. */
function writeAddress(w: MessageWriter, ifindex: number, ip: string, prefixLength: number, scope: number): boolean {
  const bytes = ipBytes(ip);
  if (bytes === undefined) throw new TypeError(`not an IP address: ${ip}`);
  const isV6 = bytes.length === 16;
  w.u8(isV6 ? AF_INET6 : AF_INET);
  w.u8(prefixLength);
  w.u8(0);
  w.u8(scope);
  w.u32(ifindex);
  w.attributeBytes(IFA_LOCAL, bytes);
  w.attributeBytes(IFA_ADDRESS, bytes);
  return isV6;
}
