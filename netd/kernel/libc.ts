import { errnoName, KernelError } from './errors.ts';
import { loadKoffi, type NativeArgument, type NativeFunction } from './native.ts';

/** Calls of libc, with the types of their manual pages; sizes are those of the 64-bit ABIs netd is built for. */
const PROTOTYPES = {
  setns: 'int setns(int fd, int nstype)',
  unshare: 'int unshare(int flags)',
  mount: 'int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data)',
  umount2: 'int umount2(const char *target, int flags)',
  socket: 'int socket(int domain, int type, int protocol)',
  bind: 'int bind(int fd, const void *address, unsigned int length)',
  setsockopt: 'int setsockopt(int fd, int level, int name, const void *value, unsigned int length)',
  getsockname: 'int getsockname(int fd, void *address, void *length)',
  send: 'long send(int fd, const void *buffer, size_t length, int flags)',
  recv: 'long recv(int fd, void *buffer, size_t length, int flags)',
  _exit: 'void _exit(int status)',
} as const;

type LibcName = keyof typeof PROTOTYPES;

let functions: Readonly<Record<LibcName, NativeFunction>> | undefined;

/** The calls themselves, on the calling thread: -1 is a failure, and `libcErrno` then says which. */
export function libc(): Readonly<Record<LibcName, NativeFunction>> {
  if (functions === undefined) {
    const library = loadKoffi().load(null);
    const entries = Object.entries(PROTOTYPES).map(([name, prototype]) => [name, library.func(prototype)]);
    functions = Object.fromEntries(entries) as Record<LibcName, NativeFunction>;
  }
  return functions;
}

/** Errno of the last libc call on this thread. Ask right after the call. */
export function libcErrno(): number {
  return loadKoffi().errno();
}

/**
 * A libc call that answers -1 for an error.
 *
 * @param operation what the error says was tried, such as `mount --bind /proc/… /run/…`
 * @throws KernelError with the errno name
 */
export function callLibc(operation: string, name: LibcName, ...args: readonly NativeArgument[]): number {
  const result = libc()[name](...args);
  if (result < 0) throw new KernelError(errnoName(libcErrno()), operation);
  return result;
}
