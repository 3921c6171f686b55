import { readFileSync, writeFileSync } from 'node:fs';
import { errorText } from '#base/errors.ts';
import { KernelError } from './errors.ts';
import { inNamespace } from './netns.ts';

/**
 * Reads a sysctl of a network namespace: /proc/sys/net shows each thread those of its own.
 *
 * @param namespace the namespace file
 * @param name as sysctl(8) takes it: `net.ipv4.ip_forward`, or `net/ipv4/conf/eth0.5/arp_ignore` when a part has a dot
 * @throws KernelError; `ENOENT` when the kernel has no such sysctl (there)
 */
export function readSysctl(namespace: string, name: string): string {
  const file = sysctlFile(name);
  return inNamespace(namespace, () => attempt(`sysctl ${name}`, () => readFileSync(file, 'utf8').trimEnd()));
}

/** Writes a sysctl of a network namespace. @throws KernelError */
export function writeSysctl(namespace: string, name: string, value: string): void {
  const file = sysctlFile(name);
  inNamespace(namespace, () => attempt(`sysctl -w ${name}=${value}`, () => writeFileSync(file, value)));
}

/** Only what belongs to a network namespace: the rest of /proc/sys is the same everywhere, and not ours. */
function sysctlFile(name: string): string {
  const parts = name.split(name.includes('/') ? '/' : '.');
  if (parts[0] !== 'net' || parts.some((part) => part === '' || part === '.' || part === '..')) {
    throw new TypeError(`not a network sysctl: ${name}`);
  }
  return `/proc/sys/${parts.join('/')}`;
}

function attempt<T>(operation: string, f: () => T): T {
  try {
    return f();
  } catch (error) {
    const errno = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
    throw new KernelError(errno ?? errorText(error), operation, { cause: error });
  }
}
