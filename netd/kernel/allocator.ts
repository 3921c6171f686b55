import { loadKoffi } from './native.ts';

// <malloc.h>
const M_TRIM_THRESHOLD = -1;
const M_MMAP_THRESHOLD = -3;
/** glibc's own first threshold (mallopt(3)). */
const THRESHOLD_BYTES = 128 * 1024;

/**
 * Has libc give large pieces of memory back to the kernel when they are freed. By itself it raises the threshold for that up
 * to 32 MB as soon as one is freed (mallopt(3), M_MMAP_THRESHOLD): frames of 20 MB then come from the heap, which small
 * pieces that live longer keep from shrinking, 80 MB of it in a node of a large cluster. Setting it ends the raising.
 *
 * @returns false where the C library has no such setting
 */
export function returnLargeMemory(): boolean {
  try {
    const mallopt = loadKoffi().load(null).func('int mallopt(int, int)');
    return mallopt(M_MMAP_THRESHOLD, THRESHOLD_BYTES) === 1 && mallopt(M_TRIM_THRESHOLD, THRESHOLD_BYTES) === 1;
  } catch {
    return false;
  }
}
