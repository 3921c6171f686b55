import { type BridgeRow, type PortRow, readBridge, readPort } from './bridge.ts';
import {
  IFF_UP,
  IFINFOMSG_BYTES,
  IFLA_ADDRESS,
  IFLA_ALT_IFNAME,
  IFLA_IFALIAS,
  IFLA_IFNAME,
  IFLA_INFO_DATA,
  IFLA_INFO_KIND,
  IFLA_INFO_SLAVE_DATA,
  IFLA_INFO_SLAVE_KIND,
  IFLA_LINK,
  IFLA_LINK_NETNSID,
  IFLA_LINKINFO,
  IFLA_MASTER,
  IFLA_MTU,
  IFLA_OPERSTATE,
  IFLA_PROP_LIST,
} from './link.ts';
import { type Message, macOf, needBytes, readAttributes, stringOf, u8Of, u32Of } from './message-reader.ts';
import { readVxlan, type VxlanRow } from './vxlan.ts';

/** A link as the kernel has it. */
export interface LinkRow {
  readonly index: number;
  readonly name: string;
  /** The administrative state. */
  readonly isUp: boolean;
  /** RFC 2863 state, IF_OPER_* of linux/if.h: 6 is up, 2 down, 0 unknown (as for a bridge-less vxlan). */
  readonly operState: number;
  readonly mtu: number;
  readonly mac: string | undefined;
  readonly alias: string | undefined;
  readonly altNames: readonly string[];
  /** Index of the bridge it is a port of; 0 if of none. */
  readonly master: number;
  /** Index of the other end of a veth pair, in the namespace `peerNamespaceId` where that is given; 0 if there is none. */
  readonly peer: number;
  /** Id (RTM_GETNSID) of the namespace the peer, or the underlay of a vxlan device, is in; undefined if it is in the same. */
  readonly peerNamespaceId: number | undefined;
  /** `vxlan`, `bridge`, `veth`…; undefined for hardware and loopback. */
  readonly kind: string | undefined;
  readonly vxlan: VxlanRow | undefined;
  readonly bridge: BridgeRow | undefined;
  readonly port: PortRow | undefined;
}

type Draft = { -readonly [K in keyof LinkRow]: LinkRow[K] } & { altNames: string[] };

/** @throws NetlinkDecodeError */
export function readLink(message: Message): LinkRow {
  needBytes(message, IFINFOMSG_BYTES, 'ifinfomsg');
  const { bytes, start, end } = message;
  const link: Draft = {
    index: bytes.readInt32LE(start + 4),
    name: '',
    isUp: (bytes.readUInt32LE(start + 8) & IFF_UP) !== 0,
    operState: 0,
    mtu: 0,
    mac: undefined,
    alias: undefined,
    altNames: [],
    master: 0,
    peer: 0,
    peerNamespaceId: undefined,
    kind: undefined,
    vxlan: undefined,
    bridge: undefined,
    port: undefined,
  };
  readAttributes(bytes, start + IFINFOMSG_BYTES, end, (type, at, length) => {
    switch (type) {
      case IFLA_IFNAME:
        link.name = stringOf(bytes, at, length);
        break;
      case IFLA_ADDRESS:
        link.mac = macOf(bytes, at, length);
        break;
      case IFLA_MTU:
        link.mtu = u32Of(bytes, at, length);
        break;
      case IFLA_LINK:
        link.peer = u32Of(bytes, at, length);
        break;
      case IFLA_MASTER:
        link.master = u32Of(bytes, at, length);
        break;
      case IFLA_OPERSTATE:
        link.operState = u8Of(bytes, at, length);
        break;
      case IFLA_IFALIAS:
        link.alias = stringOf(bytes, at, length);
        break;
      case IFLA_LINK_NETNSID:
        link.peerNamespaceId = u32Of(bytes, at, length) | 0;
        break;
      case IFLA_PROP_LIST:
        readAltNames(bytes, at, at + length, link.altNames);
        break;
      case IFLA_LINKINFO:
        readInfo(bytes, at, at + length, link);
        break;
    }
  });
  return link;
}

function readAltNames(bytes: Buffer, start: number, end: number, names: string[]): void {
  readAttributes(bytes, start, end, (type, at, length) => {
    if (type === IFLA_ALT_IFNAME) names.push(stringOf(bytes, at, length));
  });
}

function readInfo(bytes: Buffer, start: number, end: number, link: Draft): void {
  let masterKind: string | undefined;
  // The kernel writes each kind before its data; only then is it known how to read that.
  readAttributes(bytes, start, end, (type, at, length) => {
    if (type === IFLA_INFO_KIND) link.kind = stringOf(bytes, at, length);
    else if (type === IFLA_INFO_SLAVE_KIND) masterKind = stringOf(bytes, at, length);
    else if (type === IFLA_INFO_DATA && link.kind === 'vxlan') link.vxlan = readVxlan(bytes, at, at + length);
    else if (type === IFLA_INFO_DATA && link.kind === 'bridge') link.bridge = readBridge(bytes, at, at + length);
    else if (type === IFLA_INFO_SLAVE_DATA && masterKind === 'bridge') link.port = readPort(bytes, at, at + length);
  });
}
