// Numbers of the DNS (RFC 1035 §4.1.1, RFC 6891), by the names of the IANA registry.

export const TYPE = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  HTTPS: 65,
  ANY: 255,
} as const;

export const RCODE = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const;

export const OPCODE = { QUERY: 0, STATUS: 2, NOTIFY: 4 } as const;

/** Bytes of a message before its question. */
export const HEADER_BYTES = 12;

/** What every UDP client takes, whatever it says (RFC 1035 §4.2.1). */
export const MIN_UDP_BYTES = 512;

/** The most one UDP datagram over IPv4 carries. */
export const MAX_UDP_BYTES = 65_507;

/** The most the length field of DNS over TCP can say (RFC 1035 §4.2.2). */
export const MAX_TCP_BYTES = 65_535;

/** The name of a type for people: `A`, or `TYPE99` (RFC 3597 §5). */
export function typeName(type: number): string {
  return Object.entries(TYPE).find(([, number]) => number === type)?.[0] ?? `TYPE${type}`;
}
