import { type DecodedPacket, decode } from 'dns-packet';

/** A reply as tests compare it: what a client can tell apart, without order. */
export interface Seen {
  readonly rcode: string;
  /** `NAME TYPE DATA` of the answer section, sorted. */
  readonly answers: readonly string[];
  /** The different TTLs of the answers. */
  readonly ttls: readonly number[];
  /** Flags that are set: `qr rd ra aa tc`. */
  readonly flags: string;
  readonly authorities: number;
}

const NO_REPLY = 'no reply';
const RCODES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];

export function seen(reply: Buffer | undefined): Seen | typeof NO_REPLY {
  if (reply === undefined) return NO_REPLY;
  const packet = decode(reply);
  const answers = (packet.answers ?? []).map((record) => `${record.name} ${record.type} ${dataText(record)}`);
  const ttls = (packet.answers ?? []).map((record) => ('ttl' in record ? (record.ttl ?? 0) : 0));
  return {
    rcode: RCODES[(packet as DecodedPacket & { flags: number }).flags & 0xf] ?? 'other',
    answers: answers.sort(),
    ttls: [...new Set(ttls)].sort((a, b) => a - b),
    flags: flagsOf(reply),
    authorities: packet.authorities?.length ?? 0,
  };
}

function dataText(record: { readonly type: string }): string {
  const data = 'data' in record ? record.data : '';
  return typeof data === 'string' ? data : JSON.stringify(data);
}

function flagsOf(reply: Buffer): string {
  const bits = reply.readUInt16BE(2);
  const names: [number, string][] = [
    [0x8000, 'qr'],
    [0x0400, 'aa'],
    [0x0200, 'tc'],
    [0x0100, 'rd'],
    [0x0080, 'ra'],
  ];
  return names
    .filter(([bit]) => (bits & bit) !== 0)
    .map(([, name]) => name)
    .join(' ');
}
