import { ipBytes, ipText } from '../../gossip/wire/ip.ts';
import { AF_INET, AF_INET6, AF_UNSPEC, DUMP, REPLACE, REQUEST } from './header.ts';
import { type Message, needBytes, readAttributes, u32Of } from './message-reader.ts';
import type { MessageWriter } from './message-writer.ts';

/** linux/rtnetlink.h: routes. */

export const RTM_NEWROUTE = 24;
export const RTM_DELROUTE = 25;
const RTM_GETROUTE = 26;
const RTMSG_BYTES = 12;

const RTA_DST = 1;
const RTA_SRC = 2;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_PREFSRC = 7;
const RTA_METRICS = 8;
const RTA_TABLE = 15;
const RTAX_MTU = 2;

export const RT_TABLE_MAIN = 254;
export const RTPROT_KERNEL = 2;
export const RTPROT_STATIC = 4;
const RT_SCOPE_UNIVERSE = 0;
export const RT_SCOPE_LINK = 253;
const RT_SCOPE_NOWHERE = 255;
export const RTN_UNICAST = 1;

/** A route to a subnet, by a router or straight out of a link. */
export interface Route {
  /** `10.0.2.0/24`; `0.0.0.0/0` and `::/0` are the default routes. */
  readonly destination: string;
  readonly gateway?: string | undefined;
  readonly ifindex?: number | undefined;
  /** The source address of packets that have none yet. */
  readonly source?: string | undefined;
  /** The metric: the lowest wins; 0 for none. */
  readonly priority?: number | undefined;
  readonly mtu?: number | undefined;
  /** Who made it, RTPROT_*; RTPROT_STATIC unless given. */
  readonly protocol?: number | undefined;
  /** RT_TABLE_MAIN unless given. */
  readonly table?: number | undefined;
}

export interface RouteRow {
  readonly family: number;
  readonly destination: string;
  readonly gateway: string | undefined;
  /** 0 for a route without one link, such as one with several next hops. */
  readonly ifindex: number;
  readonly source: string | undefined;
  readonly priority: number;
  readonly mtu: number | undefined;
  readonly protocol: number;
  readonly scope: number;
  /** RTN_*: 1 unicast, 2 local, 3 broadcast, 7 unreachable… */
  readonly type: number;
  readonly table: number;
}

export function writeReplaceRoute(w: MessageWriter, route: Route): void {
  w.begin(RTM_NEWROUTE, REPLACE);
  const scope = route.gateway === undefined && isV4(route.destination) ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  writeRoute(w, route, route.protocol ?? RTPROT_STATIC, scope, RTN_UNICAST);
  w.end();
}

/** Of what is not given anything matches. */
export function writeDelRoute(w: MessageWriter, route: Route): void {
  w.begin(RTM_DELROUTE, REQUEST);
  writeRoute(w, route, route.protocol ?? 0, RT_SCOPE_NOWHERE, 0);
  w.end();
}

/** @param table needs strict checking; 0 for all */
export function writeDumpRoutes(w: MessageWriter, table = RT_TABLE_MAIN, family: number = AF_UNSPEC): void {
  w.begin(RTM_GETROUTE, DUMP);
  w.u32(family);
  // A table over 255 goes into the attribute only.
  w.u32(table < 256 ? table : 0);
  w.u32(0);
  if (table >= 256) w.attributeU32(RTA_TABLE, table);
  w.end();
}

/** Asks what the kernel would do with a packet (`ip route get`). @param source of the packet, if it has one already */
export function writeGetRoute(w: MessageWriter, destination: string, source: string | undefined): void {
  const bytes = ipBytes(destination);
  if (bytes === undefined) throw new TypeError(`not an IP address: ${destination}`);
  const bits = bytes.length * 8;
  w.begin(RTM_GETROUTE, REQUEST);
  w.u8(bytes.length === 4 ? AF_INET : AF_INET6);
  w.u8(bits);
  w.u16(source === undefined ? 0 : bits);
  w.u32(0);
  w.u32(0);
  w.attributeBytes(RTA_DST, bytes);
  if (source !== undefined) w.attributeIp(RTA_SRC, source);
  w.end();
}

/** @throws NetlinkDecodeError */
export function readRoute(message: Message): RouteRow {
  needBytes(message, RTMSG_BYTES, 'rtmsg');
  const { bytes, start, end } = message;
  const family = bytes[start] ?? 0;
  const row = {
    family,
    destination: '',
    gateway: undefined as string | undefined,
    ifindex: 0,
    source: undefined as string | undefined,
    priority: 0,
    mtu: undefined as number | undefined,
    protocol: bytes[start + 5] ?? 0,
    scope: bytes[start + 6] ?? 0,
    type: bytes[start + 7] ?? 0,
    table: bytes[start + 4] ?? 0,
  };
  let prefix = family === AF_INET6 ? '::' : '0.0.0.0';
  readAttributes(bytes, start + RTMSG_BYTES, end, (type, at, length) => {
    if (type === RTA_DST) prefix = ipText(bytes.subarray(at, at + length)) ?? prefix;
    else if (type === RTA_GATEWAY) row.gateway = ipText(bytes.subarray(at, at + length));
    else if (type === RTA_OIF) row.ifindex = u32Of(bytes, at, length);
    else if (type === RTA_PREFSRC) row.source = ipText(bytes.subarray(at, at + length));
    else if (type === RTA_PRIORITY) row.priority = u32Of(bytes, at, length);
    else if (type === RTA_TABLE) row.table = u32Of(bytes, at, length);
    else if (type === RTA_METRICS) row.mtu = readMtu(bytes, at, at + length);
  });
  row.destination = `${prefix}/${bytes[start + 1] ?? 0}`;
  return row;
}

function readMtu(bytes: Buffer, start: number, end: number): number | undefined {
  let mtu: number | undefined;
  readAttributes(bytes, start, end, (type, at, length) => {
    if (type === RTAX_MTU) mtu = u32Of(bytes, at, length);
  });
  return mtu;
}

/** rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type (u8 each), flags u32. */
function writeRoute(w: MessageWriter, route: Route, protocol: number, scope: number, type: number): void {
  const { destination, gateway, ifindex, source, priority, mtu, table = RT_TABLE_MAIN } = route;
  const [ip = '', length = ''] = destination.split('/');
  const prefix = ipBytes(ip);
  const prefixLength = Number(length);
  if (prefix === undefined || length === '' || !(prefixLength >= 0 && prefixLength <= prefix.length * 8)) {
    throw new TypeError(`not a destination: ${destination}`);
  }
  w.u8(prefix.length === 4 ? AF_INET : AF_INET6);
  w.u8(prefixLength);
  w.u16(0);
  w.u8(table < 256 ? table : 0);
  w.u8(protocol);
  w.u8(scope);
  w.u8(type);
  w.u32(0);
  if (prefixLength > 0) w.attributeBytes(RTA_DST, prefix);
  if (gateway !== undefined) w.attributeIp(RTA_GATEWAY, gateway);
  if (ifindex !== undefined) w.attributeU32(RTA_OIF, ifindex);
  if (source !== undefined) w.attributeIp(RTA_PREFSRC, source);
  if (priority !== undefined) w.attributeU32(RTA_PRIORITY, priority);
  if (table >= 256) w.attributeU32(RTA_TABLE, table);
  if (mtu !== undefined) {
    const metrics = w.nestBegin(RTA_METRICS);
    w.attributeU32(RTAX_MTU, mtu);
    w.nestEnd(metrics);
  }
}

function isV4(destination: string): boolean {
  return !destination.includes(':');
}
