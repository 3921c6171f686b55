import { ipText } from '../../gossip/wire/ip.ts';
import { readAttributes, u8Of, u16BEOf, u32Of } from './message-reader.ts';
import type { MessageWriter } from './message-writer.ts';

/** linux/if_link.h, IFLA_VXLAN_*. */

const IFLA_VXLAN_ID = 1;
const IFLA_VXLAN_LINK = 3;
const IFLA_VXLAN_LOCAL = 4;
const IFLA_VXLAN_TTL = 5;
const IFLA_VXLAN_TOS = 6;
const IFLA_VXLAN_LEARNING = 7;
const IFLA_VXLAN_AGEING = 8;
const IFLA_VXLAN_PROXY = 11;
const IFLA_VXLAN_RSC = 12;
const IFLA_VXLAN_L2MISS = 13;
const IFLA_VXLAN_L3MISS = 14;
const IFLA_VXLAN_PORT = 15;
const IFLA_VXLAN_GROUP6 = 16;
const IFLA_VXLAN_LOCAL6 = 17;

/** What can change while the device lives. The rest needs a new one (drivers/net/vxlan, vxlan_nl2conf: EOPNOTSUPP). */
export interface VxlanChange {
  /** Source address of outer packets, of the family of the remotes. */
  readonly local?: string | undefined;
  readonly ttl?: number | undefined;
  readonly tos?: number | undefined;
  /** The device learns which MAC is behind which VTEP from the packets it gets. */
  readonly learning?: boolean | undefined;
  /** Seconds a learned row lives. */
  readonly ageingSec?: number | undefined;
}

export interface VxlanSettings extends VxlanChange {
  /** The VXLAN network identifier, 24 bits. Unique among the devices with the same port and underlay namespace. */
  readonly id: number;
  /** UDP, of outer packets. */
  readonly port: number;
  /** It answers ARP and neighbour solicitations from its own neighbour table, and swallows the rest. */
  readonly proxy?: boolean | undefined;
  readonly routeShortCircuit?: boolean | undefined;
  /** Notifies netlink listeners of addresses without a row. */
  readonly l2miss?: boolean | undefined;
  readonly l3miss?: boolean | undefined;
  /** Remotes are IPv6 (an all-zero group makes the device so). */
  readonly isV6?: boolean | undefined;
}

/** As the kernel has it. */
export interface VxlanRow {
  readonly id: number;
  readonly port: number;
  readonly local: string | undefined;
  /** Index of the underlay's device it is tied to; 0 if to none. */
  readonly link: number;
  readonly ttl: number;
  readonly tos: number;
  readonly learning: boolean;
  readonly ageingSec: number;
  readonly proxy: boolean;
  readonly routeShortCircuit: boolean;
  readonly l2miss: boolean;
  readonly l3miss: boolean;
}

export function writeVxlan(w: MessageWriter, vxlan: VxlanChange & Partial<VxlanSettings>): void {
  const flag = (type: number, value: boolean | undefined) => {
    if (value !== undefined) w.attributeU8(type, value ? 1 : 0);
  };
  if (vxlan.id !== undefined) w.attributeU32(IFLA_VXLAN_ID, vxlan.id);
  if (vxlan.isV6) w.attributeBytes(IFLA_VXLAN_GROUP6, Buffer.alloc(16));
  if (vxlan.local !== undefined) {
    w.attributeIp(vxlan.local.includes(':') ? IFLA_VXLAN_LOCAL6 : IFLA_VXLAN_LOCAL, vxlan.local);
  }
  if (vxlan.ttl !== undefined) w.attributeU8(IFLA_VXLAN_TTL, vxlan.ttl);
  if (vxlan.tos !== undefined) w.attributeU8(IFLA_VXLAN_TOS, vxlan.tos);
  flag(IFLA_VXLAN_LEARNING, vxlan.learning);
  if (vxlan.ageingSec !== undefined) w.attributeU32(IFLA_VXLAN_AGEING, vxlan.ageingSec);
  flag(IFLA_VXLAN_PROXY, vxlan.proxy);
  flag(IFLA_VXLAN_RSC, vxlan.routeShortCircuit);
  flag(IFLA_VXLAN_L2MISS, vxlan.l2miss);
  flag(IFLA_VXLAN_L3MISS, vxlan.l3miss);
  if (vxlan.port !== undefined) w.attributeU16BE(IFLA_VXLAN_PORT, vxlan.port);
}

/** @throws NetlinkDecodeError */
export function readVxlan(bytes: Buffer, start: number, end: number): VxlanRow {
  const row = {
    id: 0,
    port: 0,
    local: undefined as string | undefined,
    link: 0,
    ttl: 0,
    tos: 0,
    learning: false,
    ageingSec: 0,
    proxy: false,
    routeShortCircuit: false,
    l2miss: false,
    l3miss: false,
  };
  readAttributes(bytes, start, end, (type, at, length) => {
    const isOn = () => u8Of(bytes, at, length) !== 0;
    switch (type) {
      case IFLA_VXLAN_ID:
        row.id = u32Of(bytes, at, length);
        break;
      case IFLA_VXLAN_PORT:
        row.port = u16BEOf(bytes, at, length);
        break;
      case IFLA_VXLAN_LOCAL:
      case IFLA_VXLAN_LOCAL6:
        row.local = ipText(bytes.subarray(at, at + length));
        break;
      case IFLA_VXLAN_LINK:
        row.link = u32Of(bytes, at, length);
        break;
      case IFLA_VXLAN_TTL:
        row.ttl = u8Of(bytes, at, length);
        break;
      case IFLA_VXLAN_TOS:
        row.tos = u8Of(bytes, at, length);
        break;
      case IFLA_VXLAN_AGEING:
        row.ageingSec = u32Of(bytes, at, length);
        break;
      case IFLA_VXLAN_LEARNING:
        row.learning = isOn();
        break;
      case IFLA_VXLAN_PROXY:
        row.proxy = isOn();
        break;
      case IFLA_VXLAN_RSC:
        row.routeShortCircuit = isOn();
        break;
      case IFLA_VXLAN_L2MISS:
        row.l2miss = isOn();
        break;
      case IFLA_VXLAN_L3MISS:
        row.l3miss = isOn();
        break;
    }
  });
  return row;
}
