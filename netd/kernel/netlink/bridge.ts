import { readAttributes, u8Of, u16Of, u32Of } from './message-reader.ts';
import type { MessageWriter } from './message-writer.ts';

/** linux/if_link.h, IFLA_BR_* (bridges) and IFLA_BRPORT_* (their ports). */

const IFLA_BR_AGEING_TIME = 4;
const IFLA_BR_STP_STATE = 5;
const IFLA_BR_VLAN_FILTERING = 7;
const IFLA_BR_MCAST_SNOOPING = 23;
const IFLA_BR_VLAN_DEFAULT_PVID = 39;

const IFLA_BRPORT_MODE = 4;
const IFLA_BRPORT_LEARNING = 8;
const IFLA_BRPORT_UNICAST_FLOOD = 9;
const IFLA_BRPORT_BCAST_FLOOD = 30;
const IFLA_BRPORT_NEIGH_SUPPRESS = 32;
const IFLA_BRPORT_ISOLATED = 33;

/** The kernel counts ageing in hundredths of a second (USER_HZ). */
const TICKS_PER_SECOND = 100;

export interface BridgeSettings {
  readonly ageingSec?: number | undefined;
  readonly spanningTree?: boolean | undefined;
  readonly vlanFiltering?: boolean | undefined;
  readonly multicastSnooping?: boolean | undefined;
  /** 0: frames without a tag belong to no VLAN. */
  readonly defaultPvid?: number | undefined;
}

export interface BridgeRow {
  readonly ageingSec: number;
  readonly spanningTree: boolean;
  readonly vlanFiltering: boolean;
  readonly multicastSnooping: boolean;
  readonly defaultPvid: number;
}

export interface PortSettings {
  /** Frames may leave by the port they came in. */
  readonly hairpin?: boolean | undefined;
  readonly learning?: boolean | undefined;
  /** Frames to MACs the bridge does not know go out here. */
  readonly unicastFlood?: boolean | undefined;
  readonly broadcastFlood?: boolean | undefined;
  readonly neighborSuppress?: boolean | undefined;
  /** Talks only with ports that are not isolated. */
  readonly isolated?: boolean | undefined;
}

export type PortRow = { readonly [K in keyof PortSettings]-?: boolean };

export function writeBridge(w: MessageWriter, bridge: BridgeSettings): void {
  if (bridge.ageingSec !== undefined) w.attributeU32(IFLA_BR_AGEING_TIME, bridge.ageingSec * TICKS_PER_SECOND);
  if (bridge.spanningTree !== undefined) w.attributeU32(IFLA_BR_STP_STATE, bridge.spanningTree ? 1 : 0);
  if (bridge.vlanFiltering !== undefined) w.attributeU8(IFLA_BR_VLAN_FILTERING, bridge.vlanFiltering ? 1 : 0);
  if (bridge.multicastSnooping !== undefined) w.attributeU8(IFLA_BR_MCAST_SNOOPING, bridge.multicastSnooping ? 1 : 0);
  if (bridge.defaultPvid !== undefined) w.attributeU16(IFLA_BR_VLAN_DEFAULT_PVID, bridge.defaultPvid);
}

/** @throws NetlinkDecodeError */
export function readBridge(bytes: Buffer, start: number, end: number): BridgeRow {
  const row = { ageingSec: 0, spanningTree: false, vlanFiltering: false, multicastSnooping: false, defaultPvid: 0 };
  readAttributes(bytes, start, end, (type, at, length) => {
    if (type === IFLA_BR_AGEING_TIME) row.ageingSec = u32Of(bytes, at, length) / TICKS_PER_SECOND;
    else if (type === IFLA_BR_STP_STATE) row.spanningTree = u32Of(bytes, at, length) !== 0;
    else if (type === IFLA_BR_VLAN_FILTERING) row.vlanFiltering = u8Of(bytes, at, length) !== 0;
    else if (type === IFLA_BR_MCAST_SNOOPING) row.multicastSnooping = u8Of(bytes, at, length) !== 0;
    else if (type === IFLA_BR_VLAN_DEFAULT_PVID) row.defaultPvid = u16Of(bytes, at, length);
  });
  return row;
}

const PORT_ATTRIBUTES: Readonly<Record<keyof PortSettings, number>> = {
  hairpin: IFLA_BRPORT_MODE,
  learning: IFLA_BRPORT_LEARNING,
  unicastFlood: IFLA_BRPORT_UNICAST_FLOOD,
  broadcastFlood: IFLA_BRPORT_BCAST_FLOOD,
  neighborSuppress: IFLA_BRPORT_NEIGH_SUPPRESS,
  isolated: IFLA_BRPORT_ISOLATED,
};
const PORT_NAMES = Object.keys(PORT_ATTRIBUTES) as (keyof PortSettings)[];

export function writePort(w: MessageWriter, port: PortSettings): void {
  for (const name of PORT_NAMES) {
    const value = port[name];
    if (value !== undefined) w.attributeU8(PORT_ATTRIBUTES[name], value ? 1 : 0);
  }
}

/** @throws NetlinkDecodeError */
export function readPort(bytes: Buffer, start: number, end: number): PortRow {
  const row = {
    hairpin: false,
    learning: false,
    unicastFlood: false,
    broadcastFlood: false,
    neighborSuppress: false,
    isolated: false,
  };
  readAttributes(bytes, start, end, (type, at, length) => {
    const name = PORT_NAMES.find((candidate) => PORT_ATTRIBUTES[candidate] === type);
    if (name !== undefined) row[name] = u8Of(bytes, at, length) !== 0;
  });
  return row;
}
