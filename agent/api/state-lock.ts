import { createServer } from 'node:net';
import { listenExclusively } from '#base/exclusive-socket.ts';

export interface StateLock {
  readonly release: () => Promise<void>;
}

/**
 * Keeps a second agent off a state directory for as long as this process lives, by listening on a socket in it: the kernel
 * ends that with the process, however it dies, and another network namespace or container sees it as well.
 *
 * @throws NetdError `socket-in-use` if another agent has it; the system error if the directory cannot be written.
 */
export async function lockStateDirectory(stateDir: string): Promise<StateLock> {
  const server = createServer((socket) => socket.destroy());
  server.unref();
  const held = await listenExclusively(server, `${stateDir}/agent.lock`, 0o600, {
    message: `another netd agent uses the state directory ${stateDir}`,
    mend: 'Stop that one ("systemctl stop netd"), or give this one a directory of its own with --state-dir.',
  });
  return {
    release: async () => {
      await held.release();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
