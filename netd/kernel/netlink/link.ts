import { type BridgeSettings, type PortSettings, writeBridge, writePort } from './bridge.ts';
import { ADD, DUMP, REQUEST } from './header.ts';
import type { MessageWriter } from './message-writer.ts';
import { type VxlanChange, type VxlanSettings, writeVxlan } from './vxlan.ts';

/** linux/if_link.h, linux/rtnetlink.h: requests about links. What they answer is read in link-row.ts. */

export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const RTM_NEWLINKPROP = 108;
const RTM_DELLINKPROP = 109;
export const IFINFOMSG_BYTES = 16;

export const IFLA_ADDRESS = 1;
export const IFLA_IFNAME = 3;
export const IFLA_MTU = 4;
export const IFLA_LINK = 5;
export const IFLA_MASTER = 10;
const IFLA_TXQLEN = 13;
export const IFLA_OPERSTATE = 16;
export const IFLA_LINKINFO = 18;
export const IFLA_IFALIAS = 20;
const IFLA_NET_NS_FD = 28;
const IFLA_EXT_MASK = 29;
export const IFLA_LINK_NETNSID = 37;
export const IFLA_PROP_LIST = 52;
export const IFLA_ALT_IFNAME = 53;

export const IFLA_INFO_KIND = 1;
export const IFLA_INFO_DATA = 2;
export const IFLA_INFO_SLAVE_KIND = 4;
export const IFLA_INFO_SLAVE_DATA = 5;
const VETH_INFO_PEER = 1;

/** IFNAMSIZ, less its closing zero. */
const LONGEST_NAME = 15;

export const IFF_UP = 1;
/** Counters of traffic are a third of a row, and nothing we decide depends on them. */
const RTEXT_FILTER_SKIP_STATS = 8;

/** What any link can be given. `undefined` leaves the kernel's default, or what there is. */
export interface LinkSettings {
  readonly mtu?: number | undefined;
  readonly txQueueLength?: number | undefined;
  readonly mac?: string | undefined;
  readonly isUp?: boolean | undefined;
  /** Index of the bridge it becomes a port of; 0 releases it. */
  readonly master?: number | undefined;
  /** Descriptor of the network namespace it is made in, or moves to. It loses addresses, master and up state on the way. */
  readonly namespaceFd?: number | undefined;
}

export type LinkType =
  | ({ readonly kind: 'vxlan' } & VxlanSettings)
  | ({ readonly kind: 'bridge' } & BridgeSettings)
  /** A pair of links: the peer is made with it, and they end together. */
  | { readonly kind: 'veth'; readonly peer: LinkSettings & { readonly name: string } }
  | { readonly kind: 'dummy' };

export type NewLink = LinkSettings & { readonly name: string; readonly type: LinkType };

/** A link by its index, or by name or alternative name. */
export type LinkId = number | string;

export interface LinkChange extends LinkSettings {
  /** The new one. A link that is up can be renamed since Linux 6.1 only. */
  readonly name?: string | undefined;
  /** Free text of up to 255 bytes. Links are made without: the kernel ignores it there. */
  readonly alias?: string | undefined;
  /** Not in one message with `mtu`. */
  readonly vxlan?: VxlanChange | undefined;
  readonly bridge?: BridgeSettings | undefined;
  /** As a port of the bridge it belongs to already: not in one message with `master`. */
  readonly port?: PortSettings | undefined;
}

export function writeNewLink(w: MessageWriter, link: NewLink): void {
  w.begin(RTM_NEWLINK, ADD);
  writeIfinfomsg(w, 0, link.isUp);
  w.attributeString(IFLA_IFNAME, link.name);
  writeSettings(w, link);
  const info = w.nestBegin(IFLA_LINKINFO);
  writeType(w, link.type);
  w.nestEnd(info);
  w.end();
}

export function writeSetLink(w: MessageWriter, id: LinkId, change: LinkChange): void {
  w.begin(RTM_NEWLINK, REQUEST);
  writeIfinfomsg(w, typeof id === 'number' ? id : 0, change.isUp);
  if (typeof id === 'string') {
    // The kernel looks the name of the request up, whichever it is.
    if (change.name !== undefined) throw new TypeError(`a link is renamed by its index: ${id} to ${change.name}`);
    writeName(w, id);
  }
  if (change.name !== undefined) w.attributeString(IFLA_IFNAME, change.name);
  writeSettings(w, change);
  if (change.alias !== undefined) w.attributeString(IFLA_IFALIAS, change.alias);
  writeTypeChange(w, change);
  w.end();
}

export function writeDelLink(w: MessageWriter, id: LinkId): void {
  w.begin(RTM_DELLINK, REQUEST);
  writeId(w, id);
  w.end();
}

/** Gives or takes an alternative name: up to 127 bytes, unique in the namespace. */
export function writeAltName(w: MessageWriter, id: LinkId, change: 'add' | 'delete', altName: string): void {
  w.begin(change === 'add' ? RTM_NEWLINKPROP : RTM_DELLINKPROP, change === 'add' ? ADD : REQUEST);
  writeId(w, id);
  const list = w.nestBegin(IFLA_PROP_LIST, true);
  w.attributeString(IFLA_ALT_IFNAME, altName);
  w.nestEnd(list);
  w.end();
}

export function writeGetLink(w: MessageWriter, id: LinkId): void {
  w.begin(RTM_GETLINK, REQUEST);
  writeId(w, id);
  w.attributeU32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  w.end();
}

/** @param master only the ports of this bridge; 0 for all links */
export function writeDumpLinks(w: MessageWriter, master = 0): void {
  w.begin(RTM_GETLINK, DUMP);
  writeIfinfomsg(w, 0, undefined);
  w.attributeU32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  if (master !== 0) w.attributeU32(IFLA_MASTER, master);
  w.end();
}

function writeId(w: MessageWriter, id: LinkId): void {
  writeIfinfomsg(w, typeof id === 'number' ? id : 0, undefined);
  if (typeof id === 'string') writeName(w, id);
}

/** Alternative names can be too long for the attribute of names; short ones are found by it too. */
function writeName(w: MessageWriter, name: string): void {
  w.attributeString(Buffer.byteLength(name) > LONGEST_NAME ? IFLA_ALT_IFNAME : IFLA_IFNAME, name);
}

/** ifinfomsg: family u8 @0, type u16 @2, index i32 @4, flags u32 @8, change u32 @12. */
function writeIfinfomsg(w: MessageWriter, index: number, isUp: boolean | undefined): void {
  w.u32(0);
  w.u32(index);
  w.u32(isUp === true ? IFF_UP : 0);
  w.u32(isUp === undefined ? 0 : IFF_UP);
}

function writeSettings(w: MessageWriter, settings: LinkSettings): void {
  const { mtu, txQueueLength, mac, master, namespaceFd } = settings;
  if (mac !== undefined) w.attributeMac(IFLA_ADDRESS, mac);
  if (mtu !== undefined) w.attributeU32(IFLA_MTU, mtu);
  if (txQueueLength !== undefined) w.attributeU32(IFLA_TXQLEN, txQueueLength);
  if (master !== undefined) w.attributeU32(IFLA_MASTER, master);
  if (namespaceFd !== undefined) w.attributeU32(IFLA_NET_NS_FD, namespaceFd);
}

function writeType(w: MessageWriter, type: LinkType): void {
  w.attributeBytes(IFLA_INFO_KIND, Buffer.from(type.kind));
  switch (type.kind) {
    case 'vxlan':
      nested(w, IFLA_INFO_DATA, () => writeVxlan(w, type));
      break;
    case 'bridge':
      nested(w, IFLA_INFO_DATA, () => writeBridge(w, type));
      break;
    case 'veth':
      nested(w, IFLA_INFO_DATA, () => nested(w, VETH_INFO_PEER, () => writePeer(w, type.peer)));
      break;
    case 'dummy':
      break;
  }
}

function writePeer(w: MessageWriter, peer: LinkSettings & { readonly name: string }): void {
  writeIfinfomsg(w, 0, peer.isUp);
  w.attributeString(IFLA_IFNAME, peer.name);
  writeSettings(w, peer);
}

function writeTypeChange(w: MessageWriter, { vxlan, bridge, port }: LinkChange): void {
  if (vxlan === undefined && bridge === undefined && port === undefined) return;
  const info = w.nestBegin(IFLA_LINKINFO);
  if (vxlan !== undefined) {
    w.attributeBytes(IFLA_INFO_KIND, Buffer.from('vxlan'));
    nested(w, IFLA_INFO_DATA, () => writeVxlan(w, vxlan));
  } else if (bridge !== undefined) {
    w.attributeBytes(IFLA_INFO_KIND, Buffer.from('bridge'));
    nested(w, IFLA_INFO_DATA, () => writeBridge(w, bridge));
  }
  if (port !== undefined) {
    w.attributeBytes(IFLA_INFO_SLAVE_KIND, Buffer.from('bridge'));
    nested(w, IFLA_INFO_SLAVE_DATA, () => writePort(w, port));
  }
  w.nestEnd(info);
}

function nested(w: MessageWriter, type: number, write: () => void): void {
  const start = w.nestBegin(type);
  write();
  w.nestEnd(start);
}
