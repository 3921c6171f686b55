import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { runCommand } from '#test/hosts/command.ts';
import type { Peer } from './stage.ts';

const ECHO = join(import.meta.dirname, 'echo.fixture.ts');
const CONNECT = join(import.meta.dirname, 'connect.fixture.ts');
const ECHO_PORT = 7000;
/** Quicker than the wire is busy, slower than one answer takes. */
const PING_INTERVAL_S = 0.002;

/** Bits per second from one container to the other, over so many TCP streams, as iperf3 counts what arrived. */
export async function throughput(from: Peer, to: Peer, streams: number, seconds: number): Promise<number> {
  const server = ['iperf3', '--server', '--one-off', '--forceflush', '--bind', to.ip];
  await using _server = await started(to, server, 'Server listening');
  const client = ['iperf3', '--json', '--client', to.ip, '--time', String(seconds), '--parallel', String(streams)];
  const { end } = JSON.parse(await inside(from, client));
  return Number(end.sum_received.bits_per_second);
}

/** Milliseconds that ICMP echoes take, one after the other. */
export async function pingTimes(from: Peer, to: Peer, count: number): Promise<readonly number[]> {
  const output = await inside(from, ['busybox', 'ping', '-i', String(PING_INTERVAL_S), '-c', String(count), to.ip]);
  return [...output.matchAll(/ time=([\d.]+) ms/g)].map(([, ms]) => Number(ms));
}

/** Milliseconds from a connection's first packet until a byte has gone there and come back, for one after the other. */
export async function connectTimes(from: Peer, to: Peer, count: number): Promise<readonly number[]> {
  const output = await inside(from, [process.execPath, CONNECT, to.ip, String(ECHO_PORT), String(count)]);
  return JSON.parse(output) as number[];
}

/** Answers `connectTimes` until disposed of. */
export async function answerConnections(peer: Peer): Promise<AsyncDisposable> {
  return started(peer, [process.execPath, ECHO, peer.ip, String(ECHO_PORT)], 'ready');
}

async function inside({ namespace }: Peer, argv: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await runCommand(['nsenter', `--net=${namespace}`, ...argv]);
  if (exitCode !== 0) throw new Error(`${argv.join(' ')}: ${stderr || stdout}`);
  return stdout;
}

/** A program in a container's network that has said that it is ready. */
async function started({ namespace }: Peer, argv: readonly string[], word: string): Promise<AsyncDisposable> {
  const child = spawn('nsenter', [`--net=${namespace}`, ...argv], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const ready = Promise.withResolvers<void>();
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    if (said.includes(word)) ready.resolve();
  });
  ended.then(() => ready.reject(new Error(`${argv.join(' ')} ended: ${said}`))).catch(() => {});
  await ready.promise;
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
