import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '#base/clock.ts';
import { silentLogger } from '#base/log.ts';
import { seededRandom } from '#base/random.ts';
import { MAX_IN_FLIGHT } from '#netd/dns/attempts.ts';
import { TYPE } from '#netd/dns/codes.ts';
import type { ContainerDns } from '#netd/dns/container.ts';
import { createDns, type Dns } from '#netd/dns/dns.ts';
import type { Endpoint } from '#netd/gossip/records.ts';
import { createNamespace, deleteNamespace } from '#netd/kernel/netns.ts';
import { openUdp } from '#netd/kernel/ns-sockets.ts';
import { runCommand } from '#test/hosts/command.ts';
import { eventually } from '#test/hosts/eventually.ts';
import { type Asking, ask } from './ask.ts';
import { request } from './packet.ts';
import { seen } from './seen.ts';
import { startUpstream, type Upstream } from './upstream.ts';

// netd's resolver in namespaces of its own, with name servers that behave in every way they can.

const SERVERS = ['127.1.1.1', '127.1.1.2', '127.1.1.3', '127.1.1.4'];
const HOST = '/proc/self/ns/net';

const WEB: Endpoint = {
  name: 'web.1.abc',
  service: { id: 's1', name: 'web' },
  virtualIp: '10.0.1.2',
  ip: '10.0.1.3',
  ingressPorts: [],
  aliases: [],
  taskAliases: [],
  disabled: false,
};

let namespace = '';
let made = 0;
let dns: Dns;
let upstreams: Upstream[] = [];

beforeEach(async () => {
  namespace = join(tmpdir(), `netd-dns-test-${process.pid}-${++made}`, 'ns');
  createNamespace(namespace);
  await command('ip', 'link', 'set', 'lo', 'up');
});
afterEach(async () => {
  try {
    await dns?.close();
    for (const upstream of upstreams.splice(0)) await upstream[Symbol.asyncDispose]();
  } finally {
    deleteNamespace(namespace);
    await rm(join(namespace, '..'), { recursive: true });
  }
});

/** Runs a command in the namespace. */
async function command(...argv: string[]): Promise<string> {
  const result = await runCommand(['nsenter', `--net=${namespace}`, ...argv]);
  if (result.exitCode !== 0) throw new Error(`${argv.join(' ')}: ${result.stderr}`);
  return result.stdout;
}

function start(options: Partial<Parameters<typeof createDns>[0]> = {}): void {
  dns = createDns({
    rows: {
      snapshot: () => ({ endpoints: [{ key: 'e1', owner: 'other', value: WEB }] }),
      versions: () => [],
      watch: () => () => {},
    },
    self: () => 'me',
    clock: systemClock,
    random: seededRandom(1),
    log: silentLogger,
    hostResolvConf: () => ({ servers: [], search: [], ndotsExplicit: false }),
    ...options,
  });
}

const container = (facts: Partial<ContainerDns> = {}): ContainerDns => ({
  sandboxKey: namespace,
  networks: [{ id: 'n1', name: 'plain', internal: false, ingress: false, gatewayPriority: 0 }],
  servers: { kind: 'explicit', addresses: SERVERS },
  options: [],
  internalOnly: false,
  ...facts,
});

const query = async (name: string, asking: Asking = {}) =>
  seen(await ask(namespace, request(name), { timeoutMs: 20_000, ...asking }));

describe('name servers of a container', () => {
  beforeEach(async () => {
    upstreams = await Promise.all(SERVERS.map((address) => startUpstream(namespace, address)));
    start();
    await dns.attach(container());
  });

  const behave = (...manners: Parameters<Upstream['behave']>[0][]) => {
    for (const [index, manner] of manners.entries()) upstreams[index]?.behave(manner);
  };
  const asked = () => upstreams.map((upstream) => upstream.asked.length);

  it.each(['udp', 'tcp'] as const)('are asked in order over %s; NXDOMAIN is an answer', async (transport) => {
    expect(await query('nosuch.example', { transport })).toMatchObject({ rcode: 'NXDOMAIN' });
    expect(await query('www.example', { transport })).toMatchObject({
      answers: ['www.example A 192.0.2.1'],
      ttls: [77],
    });
    expect(asked()).toEqual([2, 0, 0, 0]);
  });

  it.each(['udp', 'tcp'] as const)(
    'that refuse or fail over %s are passed over; the fourth is never asked',
    async (transport) => {
      behave('refuses', 'fails', 'answers');
      expect(await query('www.example', { transport })).toMatchObject({ answers: ['www.example A 192.0.2.1'] });
      expect(asked()).toEqual([1, 1, 1, 0]);
      behave('refuses', 'fails', 'refuses');
      expect(await query('www.example', { transport })).toMatchObject({ rcode: 'SERVFAIL', flags: 'qr rd ra' });
      expect(asked()).toEqual([2, 2, 2, 0]);
      expect(dns.status().containers[0]?.counters).toMatchObject({ queries: 2, forwarded: 2, failed: 1 });
    },
  );

  it.each(['udp', 'tcp'] as const)('that are silent over %s are given up after four seconds', async (transport) => {
    behave('is silent', 'answers');
    const startedMs = performance.now();
    expect(await query('www.example', { transport })).toMatchObject({ answers: ['www.example A 192.0.2.1'] });
    expect(performance.now() - startedMs).toBeGreaterThan(3900);
    expect(performance.now() - startedMs).toBeLessThan(8000);
    expect(asked()).toEqual([1, 1, 0, 0]);
  });

  it.each(['udp', 'tcp'] as const)('that are not there are passed over at once, over %s', async (transport) => {
    await upstreams.shift()?.[Symbol.asyncDispose]();
    const startedMs = performance.now();
    expect(await query('www.example', { transport })).toMatchObject({ answers: ['www.example A 192.0.2.1'] });
    expect(performance.now() - startedMs).toBeLessThan(3000);
    expect(asked()).toEqual([1, 0, 0]);
  });

  it('may be slow for more than a thousand questions, and the names of the swarm are answered meanwhile', async () => {
    behave('is silent', 'is silent', 'is silent');
    const socket = openUdp(namespace, { address: '0.0.0.0', port: 0 });
    try {
      const replies: Buffer[] = [];
      socket.on('message', (reply) => replies.push(reply));
      const QUESTIONS = MAX_IN_FLIGHT + 100;
      for (let id = 0; id < QUESTIONS; id++) {
        socket.send(request(`n${id}.example`, { id }), 53, '127.0.0.11');
        if (id % 100 !== 99) continue;
        await eventually('they are taken', () => (dns.status().containers[0]?.waiting ?? 0) > id);
        await eventually('the server has them', () => asked()[0] === Math.min(id + 1, MAX_IN_FLIGHT));
      }
      await eventually('all wait', () => dns.status().containers[0]?.waiting === QUESTIONS);
      expect(asked()[0]).toBe(MAX_IN_FLIGHT);
      expect(await query('web')).toMatchObject({ answers: ['web A 10.0.1.2'] });
      behave('answers', 'answers', 'answers');
      await eventually('all are answered', () => replies.length === QUESTIONS, { timeoutMs: 30_000 });
      expect(new Set(replies.map((reply) => reply.readUInt16BE(0))).size).toBe(QUESTIONS);
    } finally {
      socket.close();
    }
  });
});

describe('replies that nobody asked for', () => {
  it('are not passed on, nor are those to another question', async () => {
    const server = openUdp(namespace, { address: '127.1.1.1', port: 53 });
    const liar = openUdp(namespace, { address: '127.1.1.2', port: 0 });
    try {
      const reply = (bytes: Buffer, change: (reply: Buffer) => void) => {
        const copy = Buffer.from(bytes);
        copy.writeUInt16BE(0x8180, 2);
        change(copy);
        return copy;
      };
      server.on('message', (bytes, from) => {
        const lies = [
          reply(bytes, (r) => r.writeUInt16BE((r.readUInt16BE(0) + 1) & 0xffff, 0)),
          reply(bytes, (r) => r.writeUInt8('x'.charCodeAt(0), 13)),
          reply(bytes, (r) => r.writeUInt16BE(0x0100, 2)),
          Buffer.from(bytes).subarray(0, 11),
        ];
        for (const lie of lies) server.send(lie, from.port, from.address);
        liar.send(
          reply(bytes, (r) => r.writeUInt16BE(0x8182, 2)),
          from.port,
          from.address,
        );
        server.send(
          reply(bytes, (r) => r.writeUInt16BE(0x8183, 2)),
          from.port,
          from.address,
        );
      });
      start();
      await dns.attach(container({ servers: { kind: 'explicit', addresses: ['127.1.1.1'] } }));
      const replies: string[] = [];
      const client = openUdp(namespace, { address: '0.0.0.0', port: 0 });
      client.on('message', (message) => replies.push(message.toString('hex', 0, 4)));
      client.send(request('www.example'), 53, '127.0.0.11');
      await eventually('a reply', () => replies.length > 0);
      await query('www.example'); // whatever else would come has come
      client.close();
      expect(replies).toEqual(['12348183']);
    } finally {
      server.close();
      liar.close();
    }
  });
});

describe('a server that asks the resolver in turn', () => {
  it('is a circle that comes to an end', async () => {
    const server = openUdp(namespace, { address: '127.1.1.1', port: 53 });
    const back = openUdp(namespace, { address: '0.0.0.0', port: 0 });
    const waiting = new Map<number, { id: number; port: number }>();
    let asked = 0;
    try {
      server.on('message', (bytes, from) => {
        const id = asked++ & 0xffff;
        waiting.set(id, { id: bytes.readUInt16BE(0), port: from.port });
        bytes.writeUInt16BE(id, 0);
        back.send(bytes, 53, '127.0.0.11');
      });
      back.on('message', (bytes) => {
        const asker = waiting.get(bytes.readUInt16BE(0));
        if (asker === undefined) return;
        bytes.writeUInt16BE(asker.id, 0);
        server.send(bytes, asker.port, '127.1.1.1');
      });
      start();
      await dns.attach(container({ servers: { kind: 'explicit', addresses: ['127.1.1.1'] } }));
      expect(await query('www.example')).toMatchObject({ rcode: 'SERVFAIL' });
      expect(asked).toBeLessThanOrEqual(2 * MAX_IN_FLIGHT);
      expect(await query('web')).toMatchObject({ answers: ['web A 10.0.1.2'] });
      await eventually('nothing waits any more', () => dns.status().containers[0]?.waiting === 0, {
        timeoutMs: 20_000,
      });
    } finally {
      server.close();
      back.close();
    }
  });
});

describe('the servers of the host', () => {
  it('are asked from the host, unless no network leads outside: then nothing leaves', async () => {
    const upstream = await startUpstream(HOST, '127.0.0.1', 0);
    upstreams = [upstream];
    start({
      hostResolvConf: () => ({ servers: ['127.0.0.11', '127.0.0.1'], search: [], ndotsExplicit: false }),
      upstreamPort: upstream.port,
    });
    await dns.attach(container({ servers: { kind: 'host' } }));
    for (const transport of ['udp', 'tcp'] as const) {
      expect(await query('www.example', { transport })).toMatchObject({ answers: ['www.example A 192.0.2.1'] });
    }
    expect(upstream.asked).toHaveLength(2);
    await dns.attach(container({ servers: { kind: 'host' }, internalOnly: true }));
    for (const transport of ['udp', 'tcp'] as const) {
      const startedMs = performance.now();
      expect(await query('www.example', { transport })).toMatchObject({ rcode: 'SERVFAIL' });
      expect(performance.now() - startedMs).toBeLessThan(2000);
      expect(await query('web', { transport })).toMatchObject({ answers: ['web A 10.0.1.2'] });
    }
    expect(upstream.asked).toHaveLength(2);
    expect(dns.lookup(namespace, 'www.example', TYPE.A)?.outcome.kind).toBe('servfail');
  });

  it('given to a container that reaches nobody fail at once', async () => {
    start();
    await dns.attach(container({ servers: { kind: 'explicit', addresses: ['192.0.2.53', '2001:db8::53'] } }));
    const startedMs = performance.now();
    expect(await query('www.example')).toMatchObject({ rcode: 'SERVFAIL' });
    expect(await query('www.example', { transport: 'tcp' })).toMatchObject({ rcode: 'SERVFAIL' });
    expect(performance.now() - startedMs).toBeLessThan(3000);
  });
});

describe('the life of a resolver', () => {
  it('survives a flush of all rules, follows the facts, and ends without a trace', async () => {
    start();
    await dns.attach(container());
    await command('nft', 'flush', 'ruleset');
    expect(await query('web.plain')).toMatchObject({ answers: ['web.plain A 10.0.1.2'] });
    const renamed = { id: 'n1', name: 'other', internal: false, ingress: false, gatewayPriority: 0 };
    await dns.attach(container({ networks: [renamed], internalOnly: true }));
    expect(await query('web.other')).toMatchObject({ answers: ['web.other A 10.0.1.2'] });
    expect(await query('web.plain')).toMatchObject({ rcode: 'SERVFAIL' });
    await dns.attach(container({ networks: [], internalOnly: true }));
    expect(await query('web')).toMatchObject({ rcode: 'SERVFAIL' });
    expect(dns.status().containers).toMatchObject([{ state: 'serving', repairs: 0 }]);
    await dns.detach(namespace);
    expect(dns.status().containers).toEqual([]);
    await eventually('the rules are gone', async () => (await command('nft', 'list', 'ruleset')) === '');
    expect(await command('ss', '-Hlntu')).toBe('');
    expect(await query('web', { timeoutMs: 300 })).toBe('no reply');
  });

  it('moves to the namespace that is at its path', async () => {
    start();
    await dns.attach(container());
    deleteNamespace(namespace);
    createNamespace(namespace);
    await command('ip', 'link', 'set', 'lo', 'up');
    await dns.attach(container());
    expect(await query('web')).toMatchObject({ answers: ['web A 10.0.1.2'] });
    expect(dns.status().containers).toMatchObject([{ state: 'serving', repairs: 1 }]);
  });

  it('ends with its namespace', async () => {
    start();
    await dns.attach(container());
    deleteNamespace(namespace);
    await eventually('it is forgotten', () => dns.status().containers.length === 0, { timeoutMs: 15_000 });
  });

  it('fails for a path without a namespace, and says so', async () => {
    start();
    const nowhere = container({ sandboxKey: `${namespace}-nowhere` });
    await expect(dns.attach(nowhere)).rejects.toMatchObject({ code: 'namespace-gone' });
    await eventually('it is forgotten', () => dns.status().containers.length === 0);
  });

  it('is tried again until it can stand', async () => {
    start();
    await command('ip', 'address', 'flush', 'dev', 'lo');
    await expect(dns.attach(container())).rejects.toThrow('EADDRNOTAVAIL');
    expect(dns.status().containers).toMatchObject([{ state: 'failed' }]);
    await command('ip', 'address', 'add', '127.0.0.1/8', 'dev', 'lo');
    await eventually('it serves', () => dns.status().containers[0]?.state === 'serving');
    expect(await query('web')).toMatchObject({ rcode: 'NOERROR' });
  });

  it('leaves port 53 to whoever wants it in the container', async () => {
    start();
    await dns.attach(container());
    const own = openUdp(namespace, { address: '0.0.0.0', port: 53 });
    own.close();
    expect(await query('web')).toMatchObject({ rcode: 'NOERROR' });
  });
});
