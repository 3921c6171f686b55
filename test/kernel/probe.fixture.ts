import { readlinkSync } from 'node:fs';
import { useNativeDirectory } from '#netd/kernel/native.ts';
import { createNamespace, deleteNamespace, inNamespace } from '#netd/kernel/netns.ts';
import { Rtnetlink } from '#netd/kernel/rtnetlink.ts';

/** A program of a few lines that uses the native part, for an executable of its own. argv: `version`, or a directory. */
async function main(directory = ''): Promise<void> {
  if (directory === 'version') {
    process.stdout.write('probe\n');
    return;
  }
  useNativeDirectory(directory);
  const home = readlinkSync('/proc/thread-self/ns/net');
  const namespace = `${directory}/ns`;
  createNamespace(namespace);
  const isElsewhere = inNamespace(namespace, () => readlinkSync('/proc/thread-self/ns/net') !== home);
  using rtnetlink = Rtnetlink.open(namespace);
  const names = (await rtnetlink.links()).map(({ name }) => name);
  deleteNamespace(namespace);
  process.stdout.write(`${JSON.stringify({ isElsewhere, names })}\n`);
}

void main(process.argv[2]);
