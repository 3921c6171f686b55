/** Below this the collector may keep its own time. */
const MIN_BYTES = 32 * 1024;

/**
 * Gives memory back that nobody looks at any more: the collector finds a frame of 20 MB only when it looks for other
 * reasons, and a quiet node gives it none for minutes. Of views into something larger nothing is taken. A mistake here is seen, as
 * released bytes have length 0.
 */
export function release(bytes: Uint8Array): void {
  const { buffer, byteLength } = bytes;
  if (byteLength < MIN_BYTES || byteLength !== buffer.byteLength || !(buffer instanceof ArrayBuffer)) return;
  buffer.transfer(0);
}
