/** Requests byte by byte, so that also those can be made which no client would send. */

export interface RequestOptions {
  readonly id?: number;
  readonly type?: number;
  readonly class?: number;
  readonly opcode?: number;
  /** Size of UDP replies in an OPT record; without one if undefined. */
  readonly udpBytes?: number;
  /** Times the question is repeated. */
  readonly questions?: number;
  readonly recursionDesired?: boolean;
  /** Marked as a reply. */
  readonly isReply?: boolean;
  /** Bytes that are left of it. */
  readonly cutTo?: number;
}

export function request(name: string, options: RequestOptions = {}): Buffer {
  const {
    id = 0x1234,
    type = 1,
    opcode = 0,
    udpBytes,
    questions = 1,
    recursionDesired = true,
    isReply = false,
  } = options;
  const header = Buffer.alloc(12);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE((opcode << 11) | (recursionDesired ? 0x0100 : 0) | (isReply ? 0x8000 : 0), 2);
  header.writeUInt16BE(questions, 4);
  header.writeUInt16BE(udpBytes === undefined ? 0 : 1, 10);
  const tail = Buffer.alloc(4);
  tail.writeUInt16BE(type, 0);
  tail.writeUInt16BE(options.class ?? 1, 2);
  const question = Buffer.concat([nameBytes(name), tail]);
  const opt =
    udpBytes === undefined
      ? Buffer.alloc(0)
      : Buffer.from([0, 0, 41, udpBytes >> 8, udpBytes & 0xff, 0, 0, 0, 0, 0, 0]);
  const packet = Buffer.concat([header, ...Array.from({ length: questions }, () => question), opt]);
  return packet.subarray(0, options.cutTo ?? packet.length);
}

export function nameBytes(name: string): Buffer {
  const labels = name
    .replace(/\.$/, '')
    .split('.')
    .filter((label) => label !== '');
  const parts = labels.map((label) => Buffer.concat([Buffer.of(Buffer.byteLength(label)), Buffer.from(label)]));
  return Buffer.concat([...parts, Buffer.of(0)]);
}

/** `10.0.0.5` as `5.0.0.10.in-addr.arpa`. */
export function reverseName(ip: string): string {
  return `${ip.split('.').reverse().join('.')}.in-addr.arpa`;
}
