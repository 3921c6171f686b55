import { readFileSync } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { inNamespace } from './netns.ts';

// Which process has a port, as "ss -p" finds out: the kernel's socket tables name an inode (proc_net_tcp.txt of the kernel's
// documentation), and a process has a descriptor of it.

const OWN_NAMESPACE = '/proc/thread-self/ns/net';
const TABLES = ['tcp', 'tcp6', 'udp', 'udp6'] as const;
/** State TCP_LISTEN of include/net/tcp_states.h; a UDP socket that is bound has TCP_CLOSE. */
const LISTENING = '0A';
const BOUND = '07';
/** A host with more open files than this is not searched to the end: the answer is a courtesy. */
const MOST_DESCRIPTORS = 200_000;

/**
 * `dockerd (process 812)`, or undefined if it cannot be told, as of another container's process.
 *
 * @param kinds of sockets; all unless given
 * @param namespace file of the network namespace; undefined for that of this process
 */
export async function portHolder(
  port: number,
  kinds: readonly (typeof TABLES)[number][] = TABLES,
  namespace?: string,
): Promise<string | undefined> {
  try {
    const tables = inNamespace(namespace ?? OWN_NAMESPACE, () => kinds.map(readTable));
    const inodes = new Set(tables.flatMap((table) => listeningInodes(table, port)));
    return inodes.size === 0 ? undefined : await holderOf(inodes);
  } catch {
    return undefined;
  }
}

/** Inodes of the sockets in one of /proc/net's tables that listen on the port. */
export function listeningInodes(table: string, port: number): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  return table.split('\n').flatMap((line) => {
    const [, local = '', , state = '', , , , , , inode = ''] = line.trim().split(/\s+/);
    const here = local.endsWith(`:${wanted}`) && (state === LISTENING || state === BOUND);
    return here && inode !== '0' ? [inode] : [];
  });
}

function readTable(table: string): string {
  try {
    return readFileSync(`/proc/thread-self/net/${table}`, 'utf8');
  } catch {
    // A kernel without IPv6.
    return '';
  }
}

async function holderOf(inodes: ReadonlySet<string>): Promise<string | undefined> {
  let looked = 0;
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    // Processes end while they are looked at, and those of others may not be looked at.
    const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
    for (const descriptor of descriptors) {
      if (++looked > MOST_DESCRIPTORS) return undefined;
      const link = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '');
      const inode = /^socket:\[(\d+)\]$/.exec(link)?.[1];
      if (inode === undefined || !inodes.has(inode)) continue;
      return `${await nameOf(pid)} (process ${pid})`;
    }
  }
  return undefined;
}

/** The program as it was called; the name of a process may be that of one of its threads. */
async function nameOf(pid: string): Promise<string> {
  const [program = ''] = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
  return program.split('/').at(-1) || 'a program';
}
