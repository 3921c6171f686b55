import { MAX_TCP_BYTES } from './codes.ts';

/** A message as it goes over TCP: its length in two bytes before it (RFC 1035 §4.2.2). */
export function frame(message: Buffer): Buffer {
  if (message.length > MAX_TCP_BYTES) throw new RangeError(`a DNS message of ${message.length} bytes`);
  const length = Buffer.allocUnsafe(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

/** Cuts a stream into messages. It never holds more than one message that is not complete, and the chunk it came with. */
export class FrameReader {
  #held: Buffer = Buffer.alloc(0);

  /** The messages that are complete with this chunk, in order. */
  push(chunk: Buffer): Buffer[] {
    let rest = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const messages: Buffer[] = [];
    while (rest.length >= 2) {
      const end = 2 + rest.readUInt16BE(0);
      if (rest.length < end) break;
      messages.push(rest.subarray(2, end));
      rest = rest.subarray(end);
    }
    this.#held = rest;
    return messages;
  }
}
