import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type EndpointRecord, EndpointRecordSchema, PeerRecordSchema } from '#proto/gen/networkdb/records_pb.js';
import { ipBytes } from './wire/ip.ts';

// The two tables Docker fills, as values (spec gossip §16). Whatever else a record holds stays in the row untouched.

/** What Docker writes where a service has no virtual address. */
const NO_VIP = '<nil>';
/** More ports or names than any service has; a record beyond this is kept and passed on, but not acted upon. */
const MAX_LIST = 4096;

const PROTOCOLS = ['tcp', 'udp', 'sctp'] as const;

export interface PublishedPort {
  readonly name: string;
  readonly protocol: (typeof PROTOCOLS)[number];
  readonly targetPort: number;
  readonly publishedPort: number;
}

/** Who answers to which names on a network. */
export interface Endpoint {
  readonly name: string;
  /** Undefined for a plain container. */
  readonly service: { readonly id: string; readonly name: string } | undefined;
  readonly virtualIp: string | undefined;
  readonly ip: string;
  readonly ingressPorts: readonly PublishedPort[];
  readonly aliases: readonly string[];
  readonly taskAliases: readonly string[];
  /** On its way out: known, but not to be balanced to. */
  readonly disabled: boolean;
}

/** Where an address of an overlay network lives. */
export interface OverlayPeer {
  readonly ip: string;
  readonly prefixLength: number;
  /** Lower case, colons. */
  readonly mac: string;
  /** Data path address of the host. */
  readonly tunnelIp: string;
}

/** Reads a row of `endpoint_table`; undefined if there is nothing usable in it. */
export function decodeEndpoint(value: Uint8Array): Endpoint | undefined {
  const record = decoded(() => fromBinary(EndpointRecordSchema, value));
  if (record === undefined || record.name === '' || ipBytes(record.endpointIp) === undefined) return undefined;
  const lists = [record.ingressPorts, record.aliases, record.taskAliases];
  if (lists.some((list) => list.length > MAX_LIST)) return undefined;
  const ports = portsOf(record);
  if (ports === undefined) return undefined;
  return {
    name: record.name,
    service: record.serviceId === '' ? undefined : { id: record.serviceId, name: record.serviceName },
    virtualIp: ipBytes(record.virtualIp) === undefined ? undefined : record.virtualIp,
    ip: record.endpointIp,
    ingressPorts: ports,
    aliases: record.aliases,
    taskAliases: record.taskAliases,
    disabled: record.serviceDisabled,
  };
}

export function encodeEndpoint(endpoint: Endpoint): Buffer {
  const record = create(EndpointRecordSchema, {
    name: endpoint.name,
    serviceName: endpoint.service?.name ?? '',
    serviceId: endpoint.service?.id ?? '',
    virtualIp: endpoint.virtualIp ?? NO_VIP,
    endpointIp: endpoint.ip,
    ingressPorts: endpoint.ingressPorts.map(({ protocol, ...port }) => ({
      ...port,
      protocol: PROTOCOLS.indexOf(protocol),
    })),
    aliases: [...endpoint.aliases],
    taskAliases: [...endpoint.taskAliases],
    serviceDisabled: endpoint.disabled,
  });
  return Buffer.from(toBinary(EndpointRecordSchema, record));
}

/** Reads a row of `overlay_peer_table`; undefined if there is nothing usable in it. */
export function decodeOverlayPeer(value: Uint8Array): OverlayPeer | undefined {
  const record = decoded(() => fromBinary(PeerRecordSchema, value));
  const [ip = '', prefix = '', ...more] = (record?.endpointIp ?? '').split('/');
  const ipLength = ipBytes(ip)?.length;
  if (record === undefined || ipLength === undefined || more.length > 0 || !/^\d{1,3}$/.test(prefix)) return undefined;
  const prefixLength = Number(prefix);
  const mac = record.endpointMac.toLowerCase();
  if (prefixLength > ipLength * 8 || !/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac)) return undefined;
  if (ipBytes(record.tunnelEndpointIp) === undefined) return undefined;
  return { ip, prefixLength, mac, tunnelIp: record.tunnelEndpointIp };
}

export function encodeOverlayPeer(peer: OverlayPeer): Buffer {
  const record = create(PeerRecordSchema, {
    endpointIp: `${peer.ip}/${peer.prefixLength}`,
    endpointMac: peer.mac,
    tunnelEndpointIp: peer.tunnelIp,
  });
  return Buffer.from(toBinary(PeerRecordSchema, record));
}

function portsOf(record: EndpointRecord): PublishedPort[] | undefined {
  const ports: PublishedPort[] = [];
  for (const { name, protocol, targetPort, publishedPort } of record.ingressPorts) {
    const known = PROTOCOLS[protocol];
    if (known === undefined || targetPort > 0xffff || publishedPort > 0xffff) return undefined;
    ports.push({ name, protocol: known, targetPort, publishedPort });
  }
  return ports;
}

/** Peers can put anything into a value: what cannot be read is not there. */
function decoded<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
