/** A bucket of bytes that may be sent at once, refilled all the time. It may be in debt. */
export interface ThrottleBucket {
  readonly bytes: number;
  /** When that was so, on the monotonic clock. */
  readonly atMs: number;
}

/** What one log may send: as much as Docker lets it (10 MB a second, the same at once; spec swarmkit-worker §6). */
export const THROTTLE_BYTES_PER_SEC = 10 * 1024 * 1024;
export const THROTTLE_BURST_BYTES = 10 * 1024 * 1024;

export function fullBucket(nowMs: number): ThrottleBucket {
  return { bytes: THROTTLE_BURST_BYTES, atMs: nowMs };
}

/** Takes the bytes out, and says how long to wait before sending them: until the debt, if any, is paid. */
export function takeBytes(
  bucket: ThrottleBucket,
  bytes: number,
  nowMs: number,
): { readonly bucket: ThrottleBucket; readonly waitMs: number } {
  const refill = (Math.max(0, nowMs - bucket.atMs) * THROTTLE_BYTES_PER_SEC) / 1000;
  const left = Math.min(THROTTLE_BURST_BYTES, bucket.bytes + refill) - bytes;
  return { bucket: { bytes: left, atMs: nowMs }, waitMs: left >= 0 ? 0 : (-left * 1000) / THROTTLE_BYTES_PER_SEC };
}
