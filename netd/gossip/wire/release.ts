/** Smaller ones may be part of Node's pool of 64 kB; and the collector may keep its own time for them. */
const MIN_BYTES = 128 * 1024;

/**
 * Gives memory back that nobody looks at any more, all of it that `bytes` is a part of: the collector finds a frame of 20 MB
 * only when it looks for other reasons, and a quiet node gives it none for minutes. A mistake here is seen, as released bytes
 * have length 0.
 */
export function release(bytes: Uint8Array): void {
  if (bytes.byteLength >= MIN_BYTES && bytes.buffer instanceof ArrayBuffer) bytes.buffer.transfer(0);
}
