import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type HeldSocket, listenExclusively } from './exclusive-socket.ts';

const TAKEN = { message: 'taken', mend: 'go away' };
let directory: string;
let path: string;
const servers: Server[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'netd-sock-'));
  path = join(directory, 'netd.sock');
});
afterEach(async () => {
  for (const server of servers.splice(0)) server.close();
  await rm(directory, { recursive: true });
});

function hold(): Promise<HeldSocket> {
  const server = createServer((socket) => {
    socket.on('error', () => {}); // whoever only asks hangs up at once
    socket.end('hello');
  });
  servers.push(server);
  return listenExclusively(server, path, 0o660, TAKEN);
}

async function greeting(): Promise<string> {
  let text = '';
  for await (const chunk of connect(path)) text += chunk;
  return text;
}

/** A socket left by a process that was killed. */
async function leaveDeadSocket(): Promise<void> {
  const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'ignore'] });
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
}

it('listens with the mode asked for, and leaves nothing else behind', async () => {
  const held = await hold();
  expect((await stat(path)).mode & 0o777).toBe(0o660);
  expect(await greeting()).toBe('hello');
  expect(await readdir(directory)).toEqual(['netd.sock']);
  await held.release();
  expect(await readdir(directory)).toEqual([]);
});

it('refuses while another one listens, and leaves that one be', async () => {
  await hold();
  await expect(hold()).rejects.toMatchObject({ code: 'socket-in-use', message: 'taken', mend: 'go away' });
  expect(await greeting()).toBe('hello');
  expect(await readdir(directory)).toEqual(['netd.sock']);
});

it('replaces what a dead process left', async () => {
  await leaveDeadSocket();
  expect(await readdir(directory)).toEqual(['netd.sock']);
  await hold();
  expect(await greeting()).toBe('hello');
  expect(await readdir(directory)).toEqual(['netd.sock']);
});

it('lets exactly one of many win, also over a dead socket', async () => {
  await leaveDeadSocket();
  const results = await Promise.allSettled(Array.from({ length: 8 }, hold));
  const won = results.filter((result) => result.status === 'fulfilled');
  const reasons = results.flatMap((result) => (result.status === 'rejected' ? [String(result.reason.code)] : []));
  expect(reasons).toEqual(Array(7).fill('socket-in-use'));
  expect(won).toHaveLength(1);
  expect(await greeting()).toBe('hello');
  expect(await readdir(directory)).toEqual(['netd.sock']);
});

it('does not touch what is not a socket', async () => {
  await writeFile(path, 'precious');
  await expect(hold()).rejects.toThrow(/is not a socket/);
  expect((await stat(path)).size).toBe(8);
});

it('does not remove the socket of a successor', async () => {
  const held = await hold();
  await rm(path);
  await hold();
  await held.release();
  expect(await greeting()).toBe('hello');
});
