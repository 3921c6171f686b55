import { spawn } from 'node:child_process';
import { NetdError } from '#base/errors.ts';
import { inNamespace } from '../kernel/netns.ts';
import { RESOLVER_ADDRESS } from './servers.ts';

export interface RedirectPorts {
  readonly udpPort: number;
  readonly tcpPort: number;
}

/** Rules in a container's namespace that live as long as this does, and not longer than this process. */
export interface Redirect {
  /** True when the rules are gone without `close`. */
  readonly isLost: () => boolean;
  readonly close: () => void;
}

/** @throws NetdError `dns-redirect` */
export type InstallRedirect = (namespace: string, ports: RedirectPorts) => Promise<Redirect>;

/**
 * Before the engine's own rules for its resolver, at -100: whichever translates a connection first has it. The table belongs to the
 * socket that made it (NFT_TABLE_F_OWNER): nobody else can flush it, and with the process it goes, so that the engine's
 * resolver answers when netd cannot.
 */
const PRIORITY = -110;
const TABLE = 'ip netd_dns';
/** nft answers in milliseconds; a machine under load takes longer. */
const INSTALL_TIMEOUT_MS = 10_000;
/** Words of nft kept for an error. */
const MAX_OUTPUT = 4096;

function redirectCommands({ udpPort, tcpPort }: RedirectPorts): string {
  return [
    `add table ${TABLE} { flags owner; }`,
    `add chain ${TABLE} output { type nat hook output priority ${PRIORITY}; policy accept; }`,
    `add rule ${TABLE} output ip daddr ${RESOLVER_ADDRESS} udp dport 53 dnat to ${RESOLVER_ADDRESS}:${udpPort}`,
    `add rule ${TABLE} output ip daddr ${RESOLVER_ADDRESS} tcp dport 53 dnat to ${RESOLVER_ADDRESS}:${tcpPort}`,
    `list table ${TABLE}`,
    '',
  ].join('\n');
}

/** Port 53 of 127.0.0.11 in the namespace leads to the given ports. */
export const installRedirect: InstallRedirect = async (namespace, ports) => {
  const nft = inNamespace(namespace, () => spawn('nft', ['-i'], { stdio: ['pipe', 'pipe', 'pipe'] }));
  let isOver = false;
  let output = '';
  const installed = new Promise<void>((resolve, reject) => {
    const fail = () =>
      reject(new NetdError('dns-redirect', `nft cannot redirect DNS in ${namespace}: ${output.trim()}`));
    const timer = setTimeout(fail, INSTALL_TIMEOUT_MS);
    nft.on('error', (error) => {
      output += error.message;
      isOver = true;
      fail();
    });
    nft.on('exit', () => {
      isOver = true;
      clearTimeout(timer);
      fail();
    });
    for (const stream of [nft.stdout, nft.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        if (output.length < MAX_OUTPUT) output += text;
        if (stream === nft.stderr) return fail();
        if (output.includes(`:${ports.tcpPort}`)) {
          clearTimeout(timer);
          resolve();
        }
      });
    }
  });
  nft.stdin.on('error', () => {}); // it is over; `exit` says so
  nft.stdin.write(redirectCommands(ports));
  try {
    await installed;
  } catch (error) {
    nft.kill('SIGKILL');
    throw error;
  }
  return { isLost: () => isOver, close: () => nft.kill('SIGKILL') };
};
