import { ipBytes } from '../../gossip/wire/ip.ts';

/** Netlink messages for the kernel (linux/netlink.h), one after the other in one buffer. Host order is little-endian here. */

/** nlmsghdr: length u32, type u16, flags u16, sequence u32, port u32. */
export const HEADER_BYTES = 16;
/** nlattr: length u16 (itself and the payload, without padding), type u16. */
export const ATTRIBUTE_HEADER_BYTES = 4;
const FLAGS_OFFSET = 6;
const NLM_F_ACK = 0x4;
const NLA_F_NESTED = 0x8000;
/** The length field of an attribute has 16 bits. */
const LONGEST_ATTRIBUTE = 0xffff;
/** Longer than any request netd makes by far; a loop that never ends a message stops here. */
const LONGEST_MESSAGE = 0x2_0000;

export class MessageWriter {
  #bytes: Buffer;
  #length = 0;
  /** Where the message being written starts; -1 between messages. */
  #message = -1;
  /** Where the last ended one starts. */
  #last = 0;
  #sequence: number;
  #first: number;

  /** @param sequence number of the first message; each takes the next */
  constructor(sequence: number, expectedBytes = 4096) {
    this.#bytes = Buffer.allocUnsafe(expectedBytes);
    this.#sequence = sequence;
    this.#first = sequence;
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  /** The number the next message will have. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Starts a message; `flags` as in nlmsghdr. */
  begin(type: number, flags: number): void {
    if (this.#message >= 0) throw new Error('the message before has no end');
    this.#message = this.#length;
    this.u32(0);
    this.u16(type);
    this.u16(flags);
    this.u32(this.#sequence);
    this.u32(0);
    this.#sequence = (this.#sequence + 1) >>> 0;
  }

  /** Ends a message: now it has its length. */
  end(): void {
    if (this.#message < 0) throw new Error('no message to end');
    this.#bytes.writeUInt32LE(this.#length - this.#message, this.#message);
    this.#last = this.#message;
    this.#message = -1;
  }

  /** Asks for an acknowledgement of the last message. Errors are answered whether asked for or not. */
  acknowledgeLast(): void {
    const at = this.#last + FLAGS_OFFSET;
    this.#bytes[at] = (this.#bytes[at] ?? 0) | NLM_F_ACK;
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  u16(value: number): void {
    this.#reserve(2);
    this.#bytes[this.#length++] = value;
    this.#bytes[this.#length++] = value >>> 8;
  }

  u32(value: number): void {
    this.#reserve(4);
    this.#bytes[this.#length++] = value;
    this.#bytes[this.#length++] = value >>> 8;
    this.#bytes[this.#length++] = value >>> 16;
    this.#bytes[this.#length++] = value >>> 24;
  }

  bytes(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  attributeU8(type: number, value: number): void {
    this.#header(type, 1);
    this.u8(value);
    this.#pad();
  }

  attributeU16(type: number, value: number): void {
    this.#header(type, 2);
    this.u16(value);
    this.#pad();
  }

  /** Ports, mostly: big-endian on the wire of netlink too. */
  attributeU16BE(type: number, value: number): void {
    this.attributeU16(type, ((value & 0xff) << 8) | (value >>> 8));
  }

  attributeU32(type: number, value: number): void {
    this.#header(type, 4);
    this.u32(value);
  }

  attributeU32BE(type: number, value: number): void {
    this.#header(type, 4);
    this.u16(((value >>> 24) & 0xff) | ((value >>> 8) & 0xff00));
    this.u16(((value >>> 8) & 0xff) | ((value << 8) & 0xff00));
  }

  attributeBytes(type: number, value: Uint8Array): void {
    this.#header(type, value.length);
    this.bytes(value);
    this.#pad();
  }

  /** Text with its closing zero, in UTF-8. */
  attributeString(type: number, value: string): void {
    if (value.includes('\0')) throw new TypeError(`text with a zero byte in it: ${JSON.stringify(value)}`);
    this.attributeBytes(type, Buffer.from(`${value}\0`));
  }

  /** An attribute that says something by being there. */
  attributeFlag(type: number): void {
    this.#header(type, 0);
  }

  /** An address in text, as 4 or 16 bytes. */
  attributeIp(type: number, ip: string): void {
    const bytes = ipBytes(ip);
    if (bytes === undefined) throw new TypeError(`not an IP address: ${ip}`);
    this.attributeBytes(type, bytes);
  }

  /** A hardware address in lower-case or upper-case colon form. */
  attributeMac(type: number, mac: string): void {
    this.#header(type, 6);
    this.#reserve(8);
    if (mac.length !== 17) throw new TypeError(`not a hardware address: ${mac}`);
    for (let i = 0; i < 17; i += 3) {
      const value = hexDigit(mac.charCodeAt(i)) * 16 + hexDigit(mac.charCodeAt(i + 1));
      // NaN for what is no digit.
      if (!(value >= 0) || (i > 0 && mac[i - 1] !== ':')) throw new TypeError(`not a hardware address: ${mac}`);
      this.#bytes[this.#length++] = value;
    }
    this.#pad();
  }

  /** Starts an attribute made of attributes; give what it returns to `nestEnd`. `flagged`: with NLA_F_NESTED, as newer families want it. */
  nestBegin(type: number, flagged = false): number {
    const start = this.#length;
    this.u16(0);
    this.u16(flagged ? type | NLA_F_NESTED : type);
    return start;
  }

  nestEnd(start: number): void {
    const length = this.#length - start;
    if (length > LONGEST_ATTRIBUTE) throw new RangeError(`an attribute of ${length} bytes does not fit a message`);
    this.#bytes.writeUInt16LE(length, start);
  }

  /** All messages so far. The bytes are overwritten when the writer is used again after `reset`. */
  written(): Buffer {
    if (this.#message >= 0) throw new Error('the last message has no end');
    return this.#bytes.subarray(0, this.#length);
  }

  /** How many messages `written` gives. */
  get messages(): number {
    return (this.#sequence - this.#first) >>> 0;
  }

  /** Forgets a message not ended, as when what should go into it was not encodable. */
  abandon(): void {
    if (this.#message < 0) return;
    this.#length = this.#message;
    this.#message = -1;
    this.#sequence = (this.#sequence - 1) >>> 0;
  }

  /** Starts over with an empty buffer; sequence numbers go on. */
  reset(): void {
    this.#length = 0;
    this.#message = -1;
    this.#first = this.#sequence;
  }

  #header(type: number, payload: number): void {
    const length = ATTRIBUTE_HEADER_BYTES + payload;
    if (length > LONGEST_ATTRIBUTE) throw new RangeError(`an attribute of ${length} bytes does not fit a message`);
    this.u16(length);
    this.u16(type);
  }

  #pad(): void {
    while (this.#length % 4 !== 0) this.u8(0);
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    if (this.#message >= 0 && needed - this.#message > LONGEST_MESSAGE) throw new RangeError('the message is too long');
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  if (code >= 97 && code <= 102) return code - 87;
  if (code >= 65 && code <= 70) return code - 55;
  return Number.NaN;
}
