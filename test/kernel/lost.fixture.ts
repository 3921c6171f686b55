import { closeSync, readdirSync, readlinkSync } from 'node:fs';
import { inNamespace } from '#netd/kernel/netns.ts';

/** Closes the descriptor of its own namespace while in another one: there is no way back then. argv: the namespace file. */

process.on('exit', () => process.stdout.write('an exit handler ran\n'));
inNamespace(process.argv[2] ?? '', () => {
  const there = readlinkSync('/proc/thread-self/ns/net');
  for (const fd of readdirSync('/proc/self/fd')) {
    if (linkOf(fd).startsWith('net:[') && linkOf(fd) !== there) closeSync(Number(fd));
  }
});
process.stdout.write('went on\n');

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return ''; // the directory listing's own, closed by now
  }
}
