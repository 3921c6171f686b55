import { execFileSync, spawn } from 'node:child_process';
import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { installDnsRedirect } from '#netd/kernel/dns-redirect.ts';
import { deleteNamespace } from '#netd/kernel/netns.ts';
import { connectTcp, listenTcp, openUdp } from '#netd/kernel/ns-sockets.ts';
import { eventually } from '../hosts/eventually.ts';
import { createScratch } from './scratch.ts';

const RESOLVER = '127.0.0.11';

/** As a container has it: a resolver of the engine on random ports, to which nat rules divert port 53 of 127.0.0.11. */
const ENGINE_RULES: Readonly<Record<string, (udpPort: number, tcpPort: number) => readonly (readonly string[])[]>> = {
  'iptables on nf_tables': (udpPort, tcpPort) => iptables('iptables-nft', udpPort, tcpPort),
  'iptables of old': (udpPort, tcpPort) => iptables('iptables-legacy', udpPort, tcpPort),
  'nft of newer engines': (udpPort, tcpPort) => [
    [
      'nft',
      `table ip docker-dns {
        chain out { type nat hook output priority -100;
          ip daddr ${RESOLVER} udp dport 53 dnat to ${RESOLVER}:${udpPort}
          ip daddr ${RESOLVER} tcp dport 53 dnat to ${RESOLVER}:${tcpPort}
        }
        chain post { type nat hook postrouting priority 100;
          ip saddr ${RESOLVER} udp sport ${udpPort} snat to :53
          ip saddr ${RESOLVER} tcp sport ${tcpPort} snat to :53
        }
      }`,
    ],
  ],
};

function iptables(command: string, udpPort: number, tcpPort: number): readonly (readonly string[])[] {
  const nat = (chain: string, ...words: readonly string[]) => [
    command,
    '-w',
    '-t',
    'nat',
    ...words.slice(0, 1),
    chain,
    ...words.slice(1),
  ];
  const rules = (protocol: string, port: number) => [
    nat(
      'DOCKER_OUTPUT',
      '-A',
      '-d',
      RESOLVER,
      '-p',
      protocol,
      '--dport',
      '53',
      '-j',
      'DNAT',
      '--to',
      `${RESOLVER}:${port}`,
    ),
    nat('DOCKER_POSTROUTING', '-A', '-s', RESOLVER, '-p', protocol, '--sport', `${port}`, '-j', 'SNAT', '--to', ':53'),
  ];
  return [
    nat('DOCKER_OUTPUT', '-N'),
    nat('DOCKER_POSTROUTING', '-N'),
    nat('OUTPUT', '-A', '-d', RESOLVER, '-j', 'DOCKER_OUTPUT'),
    nat('POSTROUTING', '-A', '-d', RESOLVER, '-j', 'DOCKER_POSTROUTING'),
    ...rules('udp', udpPort),
    ...rules('tcp', tcpPort),
  ];
}

interface Listener {
  readonly name: string;
  readonly udp: Socket;
  readonly tcp: Server;
  readonly udpPort: number;
  readonly tcpPort: number;
}

const scratch = createScratch();
afterAll(() => scratch[Symbol.dispose]());

let ns: string;
let engine: Listener;
let ours: Listener;
let count = 0;
beforeEach(async () => {
  ns = scratch.namespace(`dns${count++}`);
  run('ip', 'link', 'set', 'lo', 'up');
  engine = await listen('engine');
  ours = await listen('netd');
});
afterEach(() => {
  for (const { udp, tcp } of [engine, ours]) {
    udp.close();
    tcp.close();
  }
  deleteNamespace(ns);
});

/** Answers everything with its name, by UDP and TCP. */
async function listen(name: string): Promise<Listener> {
  const udp = openUdp(ns, { address: RESOLVER, port: 0 });
  udp.on('message', (_, from) => udp.send(name, from.port, from.address));
  const tcp = listenTcp(ns, { address: RESOLVER, port: 0 });
  tcp.on('connection', (connection) => connection.end(name));
  await once(tcp, 'listening');
  const address = tcp.address();
  if (address === null || typeof address === 'string') throw new Error('no address');
  return { name, udp, tcp, udpPort: udp.address().port, tcpPort: address.port };
}

function run(...argv: readonly string[]): string {
  return execFileSync('nsenter', [`--net=${ns}`, ...argv], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

function engineRules(kind: string): void {
  for (const command of ENGINE_RULES[kind]?.(engine.udpPort, engine.tcpPort) ?? []) run(...command);
}

/** Who answers on 127.0.0.11:53, asked anew, by UDP and TCP. */
async function whoAnswers(): Promise<readonly string[]> {
  const client = openUdp(ns, { address: '0.0.0.0', port: 0 });
  client.connect(53, RESOLVER);
  await once(client, 'connect');
  client.send('?');
  const byUdp = await once(client, 'message').then(
    ([message]: Buffer[]) => `${message}`,
    (error: NodeJS.ErrnoException) => `${error.code}`,
  );
  client.close();
  const byTcp = await connectTcp(ns, { address: RESOLVER, port: 53 })
    .toArray()
    .then(
      (parts) => parts.join(''),
      (error: NodeJS.ErrnoException) => `${error.code}`,
    );
  return [byUdp, byTcp];
}

const ENGINE = ['engine', 'engine'];
const NETD = ['netd', 'netd'];

describe.for(Object.keys(ENGINE_RULES))('a redirect before %s', (kind) => {
  it('answers while it is open, and the engine does before and after', async () => {
    engineRules(kind);
    expect(await whoAnswers()).toEqual(ENGINE);
    const redirect = await installDnsRedirect(ns, ours);
    expect(await whoAnswers()).toEqual(NETD);
    redirect.close();
    redirect.close();
    await eventually('engine', async () => (await whoAnswers()).join() === ENGINE.join());
  });

  it('answers too when it was there first', async () => {
    const redirect = await installDnsRedirect(ns, ours);
    engineRules(kind);
    expect(await whoAnswers()).toEqual(NETD);
    redirect.close();
    await eventually('engine', async () => (await whoAnswers()).join() === ENGINE.join());
  });
});

describe('the rules of a redirect', () => {
  it('stand what others do to rules', async () => {
    const redirect = await installDnsRedirect(ns, ours);
    run('nft', 'flush', 'ruleset');
    run('iptables-nft', '-t', 'nat', '-F');
    expect(() => run('nft', 'delete', 'table', 'ip', 'netd_dns')).toThrow();
    expect(await whoAnswers()).toEqual(NETD);
    expect(run('nft', 'list', 'table', 'ip', 'netd_dns')).toMatch(/flags owner/);
    redirect.close();
  });

  it('are gone with the process that holds them, however it ends', async () => {
    engineRules('iptables on nf_tables');
    const fixture = join(import.meta.dirname, 'holder.fixture.ts');
    const holder = spawn(process.execPath, [fixture, ns, `${ours.udpPort}`, `${ours.tcpPort}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    expect(await whoAnswers()).toEqual(NETD);
    await expect(installDnsRedirect(ns, ours)).rejects.toThrow(/nft .* table ip netd_dns: EPERM/);
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    await eventually('engine', async () => (await whoAnswers()).join() === ENGINE.join());
    const next = await installDnsRedirect(ns, ours);
    expect(await whoAnswers()).toEqual(NETD);
    next.close();
  });

  it('replace a table of the name that nobody owns', async () => {
    run('nft', 'table ip netd_dns { chain stale { type filter hook output priority 0; ip daddr 127.0.0.11 drop; }; }');
    const redirect = await installDnsRedirect(ns, ours);
    expect(await whoAnswers()).toEqual(NETD);
    redirect.close();
  });

  it('cannot be had in a namespace that is gone', async () => {
    await expect(installDnsRedirect(`${ns}-gone`, ours)).rejects.toMatchObject({ code: 'namespace-gone' });
  });
});
