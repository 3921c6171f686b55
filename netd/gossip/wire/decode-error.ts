/**
 * Why bytes from a peer were refused. Thrown by the decoders and caught once, where packets and streams enter the core:
 * a peer can never make anything else happen by sending garbage.
 */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';
  /** Where in the bytes given to the decoder it went wrong. */
  readonly offset: number;

  constructor(message: string, offset = 0) {
    super(`${message} at offset ${offset}`);
    this.offset = offset;
  }
}
