import { getSystemErrorName } from 'node:util';
import { NetdError } from '#base/errors.ts';

/**
 * What became of a call into the kernel:
 * - `namespace-gone`: the namespace file is not there, or no namespace is mounted on it any more (its container ended);
 * - `kernel-refused`: the kernel said no, for the reason in `errno`.
 */
export type KernelErrorCode = 'namespace-gone' | 'kernel-refused';

/** A call the kernel refused: what was asked, of what, and the errno name it answered with. */
export class KernelError extends NetdError {
  /** As in errno(3): `EEXIST`. */
  readonly errno: string;

  constructor(
    errno: string,
    operation: string,
    options: {
      readonly code?: KernelErrorCode;
      readonly detail?: string;
      readonly mend?: string;
      readonly cause?: unknown;
    } = {},
  ) {
    const { code = 'kernel-refused', detail, ...rest } = options;
    super(code, `${operation}: ${errno}${detail === undefined || detail === '' ? '' : ` (${detail})`}`, rest);
    this.errno = errno;
  }
}

/** True if the kernel refused with one of these errno names. */
export function isKernelErrno(error: unknown, ...names: readonly string[]): error is KernelError {
  return error instanceof KernelError && names.includes(error.errno);
}

/** True if the namespace a call was meant for does not exist (any more). */
export function isNamespaceGone(error: unknown): error is KernelError {
  return error instanceof KernelError && error.code === 'namespace-gone';
}

/** errno.h of Linux */
const EOPNOTSUPP = 95;

/** The name of a positive errno number; the kernel has some of its own (524) that never got a public name. */
export function errnoName(errno: number): string {
  // Node has the other name of the same number.
  if (errno === EOPNOTSUPP) return 'EOPNOTSUPP';
  try {
    return getSystemErrorName(-errno);
  } catch {
    return `errno ${errno}`;
  }
}
