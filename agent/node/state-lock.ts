import { type FileHandle, open, rm } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { errorText, isErrno, NetdError } from '#base/errors.ts';

/**
 * Holds the state directory for one agent. The lock is a listening unix socket in it: it cannot outlive its process, and
 * whether its owner lives is answered by the kernel, not by a process number that may have been given away again.
 */
export interface StateLock {
  readonly release: () => Promise<void>;
}

const LOCK_NAME = 'agent.lock';

export async function lockStateDir(stateDir: string): Promise<StateLock> {
  const directory = await open(stateDir, 'r').catch((error: unknown) => {
    throw new NetdError('state-unreadable', `the state directory ${stateDir} cannot be opened: ${errorText(error)}`, {
      cause: error,
      mend: 'run netd as root, or give a directory it may use with --state-dir',
    });
  });
  try {
    // By way of the open directory, so that a long path does not exceed the 107 bytes a socket address holds (unix(7)).
    const server = await listen(`/proc/self/fd/${directory.fd}/${LOCK_NAME}`, stateDir);
    return { release: () => release(server, directory, stateDir) };
  } catch (error) {
    await directory.close();
    throw error;
  }
}

async function listen(path: string, stateDir: string): Promise<Server> {
  try {
    return await bind(path);
  } catch (error) {
    if (!isErrno(error, 'EADDRINUSE')) throw error;
  }
  if (await answers(path)) {
    throw new NetdError('state-in-use', `another netd agent uses the state directory ${stateDir}`, {
      mend: 'stop it first (systemctl stop netd), or give this one its own --state-dir and --run-dir',
    });
  }
  await rm(path, { force: true }); // left by an agent that was killed
  return bind(path);
}

function bind(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', reject);
    server.listen({ path, exclusive: true }, () => {
      server.unref();
      resolve(server);
    });
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

async function release(server: Server, directory: FileHandle, stateDir: string): Promise<void> {
  await new Promise<void>((resolve) => server.close(() => resolve()));
  await rm(join(stateDir, LOCK_NAME), { force: true });
  await directory.close();
}
