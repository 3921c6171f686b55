import { randomBytes } from 'node:crypto';
import { chmod, lstat, rename, rm, stat } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { basename, dirname } from 'node:path';
import { isErrno, NetdError } from '#base/errors.ts';

/** A path held by a listening server. Whoever holds it is the only one. */
export interface HeldSocket {
  /** Removes the path, if it is still ours. The server itself is the caller's to close. */
  readonly release: () => Promise<void>;
}

/**
 * Makes `server` listen at `path` if no other process does. What a dead process left there is replaced whole, with the mode
 * already set; a live one is refused.
 *
 * @throws NetdError `socket-in-use` with the words of `taken`, or the system error of the step that failed.
 */
export async function listenExclusively(
  server: Server,
  path: string,
  mode: number,
  taken: { readonly message: string; readonly mend: string },
): Promise<HeldSocket> {
  const refusal = new NetdError('socket-in-use', taken.message, { mend: taken.mend });
  await using _turn = await takeTurn(path, refusal);
  await refuseForeign(path);
  if (await isLive(path)) throw refusal;
  const own = `${path}.${randomBytes(3).toString('hex')}`;
  await listen(server, own);
  try {
    await chmod(own, mode);
    const { ino } = await lstat(own);
    await rename(own, path);
    return { release: () => removeIfOurs(path, ino) };
  } catch (error) {
    await close(server); // which removes `own`
    throw error;
  }
}

/**
 * Between asking the socket and replacing it nobody else may do the same: a name in the abstract space (unix(7)) is taken
 * in one step and goes with the process. Processes in two network namespaces do not see each other's names; for those the
 * question alone has to do, which fails only if both start within the same few milliseconds.
 */
async function takeTurn(path: string, refusal: NetdError): Promise<AsyncDisposable> {
  const { dev, ino } = await stat(dirname(path));
  const turn = createServer((socket) => socket.destroy());
  try {
    await listen(turn, `\0netd-turn:${dev}:${ino}:${basename(path)}`);
  } catch (error) {
    throw isErrno(error, 'EADDRINUSE') ? refusal : error; // another agent is just starting
  }
  return { [Symbol.asyncDispose]: () => close(turn) };
}

async function refuseForeign(path: string): Promise<void> {
  try {
    if ((await lstat(path)).isSocket()) return;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return;
    throw error;
  }
  throw new NetdError('socket-in-use', `${path} exists and is not a socket`, { mend: 'Move it out of the way.' });
}

/** Whether a process accepts connections there. Doubt (no permission, a full queue) counts as yes. */
function isLive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error) => resolve(!isErrno(error, 'ECONNREFUSED', 'ENOENT')));
  });
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

async function removeIfOurs(path: string, ino: number): Promise<void> {
  try {
    if ((await lstat(path)).ino === ino) await rm(path);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}
