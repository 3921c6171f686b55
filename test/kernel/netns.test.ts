import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, readlinkSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { isKernelErrno, isNamespaceGone } from '#netd/kernel/errors.ts';
import { createNamespace, deleteNamespace, inNamespace, isNamespace, namespaceId } from '#netd/kernel/netns.ts';
import { connectTcp, listenTcp, openUdp } from '#netd/kernel/ns-sockets.ts';
import { readSysctl, writeSysctl } from '#netd/kernel/sysctl.ts';
import { createScratch } from './scratch.ts';

const scratch = createScratch();
const ns = scratch.namespace('a');
const other = scratch.namespace('b');
execFileSync('nsenter', [`--net=${ns}`, 'ip', 'link', 'set', 'lo', 'up']);
afterAll(() => scratch[Symbol.dispose]());

const here = () => readlinkSync('/proc/thread-self/ns/net');
const openFiles = () => readdirSync('/proc/self/fd').length;
const failure = (f: () => unknown): unknown => {
  try {
    f();
  } catch (error) {
    return error;
  }
  throw new Error('did not fail');
};

describe('a thread in another namespace', () => {
  it('is there only while the function runs', () => {
    const home = here();
    expect(inNamespace(ns, here)).toBe(`net:[${statSync(ns).ino}]`);
    expect(here()).toBe(home);
    expect(inNamespace(ns, () => Object.keys(networkInterfaces()))).toEqual(['lo']);
    expect(inNamespace(ns, () => execFileSync('ip', ['-br', 'link'], { encoding: 'utf8' }))).toMatch(/^lo .*\n$/);
  });

  it('goes from one to another and back', () => {
    const home = here();
    const [outer, inner, after] = inNamespace(ns, () => [here(), inNamespace(other, here), here()] as const);
    expect(inner).toBe(`net:[${statSync(other).ino}]`);
    expect([outer, after]).toEqual(Array(2).fill(`net:[${statSync(ns).ino}]`));
    expect(here()).toBe(home);
  });

  it('comes back when the function throws', () => {
    const home = here();
    expect(() =>
      inNamespace(ns, () => {
        throw new RangeError('mine');
      }),
    ).toThrow(new RangeError('mine'));
    expect(here()).toBe(home);
  });

  it('takes nothing that goes on later', () => {
    const home = here();
    let ran = false;
    const asynchronous = async () => {
      ran = true;
    };
    expect(() => inNamespace(ns, asynchronous as never)).toThrow(/async function/);
    expect(ran).toBe(false);
    expect(() => inNamespace(ns, (() => Promise.reject(new Error('later'))) as never)).toThrow(/promise/);
    expect(here()).toBe(home);
  });

  it('runs nothing else meanwhile, and 10,000 switches leave no descriptor behind', async () => {
    const home = here();
    const foreign: string[] = [];
    const note = (what: string) => {
      if (here() !== home) foreign.push(what);
    };
    const started = openFiles();
    for (let i = 0; i < 10_000; i++) {
      if (i % 100 === 0) {
        setImmediate(note, 'immediate');
        setTimeout(note, 0, 'timeout');
        process.nextTick(note, 'tick');
        void Promise.resolve('promise').then(note);
      }
      inNamespace(i % 2 === 0 ? ns : other, () => {
        if (i % 100 === 0) void Promise.resolve('promise from within').then(note);
      });
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(foreign).toEqual([]);
    expect(openFiles()).toBe(started);
    expect(here()).toBe(home);
  });

  it('leaves the threads of the pool at home', async () => {
    // In a process whose very first use of the pool is within the namespace.
    const script = `
      import { inNamespace } from ${JSON.stringify(join(import.meta.dirname, '../../netd/kernel/netns.ts'))};
      import { readlink, readdirSync, readlinkSync } from 'node:fs';
      inNamespace(${JSON.stringify(ns)}, () => { readlink('/proc/thread-self/ns/net', () => {}); });
      const seen = readdirSync('/proc/self/task').map((task) => readlinkSync('/proc/self/task/' + task + '/ns/net'));
      process.stdout.write(new Set(seen).size + '\\n');`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    expect({ stdout, stderr }).toEqual({ stdout: '1\n', stderr: '' });
  });

  it('ends the process when there is no way back', () => {
    const fixture = join(import.meta.dirname, 'lost.fixture.ts');
    const { status, stdout, stderr } = spawnSync(process.execPath, [fixture, ns], { encoding: 'utf8' });
    expect(stdout).toBe('');
    expect(stderr).toMatch(/fatal: left in namespace .*: EBADF/);
    expect(status).toBe(71);
  });
});

describe('a namespace', () => {
  it('is made once, is empty, and is gone after it was deleted, however often', () => {
    const path = join(scratch.directory, 'deep', 'c');
    expect(isNamespace(path)).toBe(false);
    expect(createNamespace(path)).toBe(true);
    expect(isNamespace(path)).toBe(true);
    const id = namespaceId(path);
    expect(createNamespace(path)).toBe(false);
    expect(namespaceId(path)).toBe(id);
    expect(id).not.toBe(namespaceId('/proc/self/ns/net'));
    deleteNamespace(path);
    deleteNamespace(path);
    expect(existsSync(path)).toBe(false);
    expect(isNamespace(path)).toBe(false);
    rmdirSync(join(scratch.directory, 'deep'));
  });

  it('is made over the empty file a crash may leave', () => {
    const path = join(scratch.directory, 'left');
    writeFileSync(path, '');
    expect(isNamespace(path)).toBe(false);
    expect(createNamespace(path)).toBe(true);
    expect(isNamespace(path)).toBe(true);
    deleteNamespace(path);
  });

  it('that is gone is told apart from other errors', () => {
    const missing = join(scratch.directory, 'missing');
    const empty = join(scratch.directory, 'empty');
    writeFileSync(empty, '');
    for (const path of [missing, empty, join(empty, 'below'), '/proc/4194304/ns/net']) {
      expect(isNamespaceGone(failure(() => inNamespace(path, here)))).toBe(true);
      expect(isNamespaceGone(failure(() => openUdp(path, { address: '127.0.0.1', port: 0 })))).toBe(true);
    }
    expect(failure(() => inNamespace(empty, here))).toMatchObject({
      message: `enter namespace ${empty}: EINVAL`,
      errno: 'EINVAL',
    });
    expect(isNamespaceGone(failure(() => namespaceId(missing)))).toBe(true);
    expect(isNamespaceGone(failure(() => inNamespace(scratch.directory, here)))).toBe(true);
    expect(isNamespaceGone(failure(() => readSysctl(ns, 'net.ipv4.nothing')))).toBe(false);
  });

  it('lives on, nameless, while a socket is in it', async () => {
    const path = scratch.namespace('held');
    execFileSync('nsenter', [`--net=${path}`, 'ip', 'link', 'set', 'lo', 'up']);
    const socket = openUdp(path, { address: '127.0.0.1', port: 0 });
    deleteNamespace(path);
    socket.send('to myself', socket.address().port, '127.0.0.1');
    const [message] = (await once(socket, 'message')) as [Buffer];
    expect(message.toString()).toBe('to myself');
    socket.close();
  });
});

describe('sockets of a namespace', () => {
  it('talk UDP there', async () => {
    const server = openUdp(ns, { address: '127.0.0.11', port: 0 });
    const client = openUdp(ns, { address: '0.0.0.0', port: 0 });
    server.on('message', (message, from) => server.send(`${message}!`, from.port, from.address));
    client.connect(server.address().port, '127.0.0.11');
    await once(client, 'connect');
    client.send('hello');
    const [answer] = (await once(client, 'message')) as [Buffer];
    expect(answer.toString()).toBe('hello!');
    const socketsThere = inNamespace(ns, () => readFileSync('/proc/thread-self/net/udp', 'utf8'));
    expect(socketsThere).toContain('0B00007F:');
    expect(readFileSync('/proc/net/udp', 'utf8')).not.toContain('0B00007F:');
    client.close();
    server.close();
  });

  it('talk TCP there, IPv6 too', async () => {
    for (const address of ['127.0.0.11', '::1']) {
      const server = listenTcp(ns, { address, port: 0 });
      server.on('connection', (connection) => connection.pipe(connection));
      await once(server, 'listening');
      const bound = server.address();
      if (bound === null || typeof bound === 'string') throw new Error('no address');
      const client = connectTcp(ns, { address, port: bound.port });
      await once(client, 'connect');
      client.end('echo');
      expect((await client.toArray()).join('')).toBe('echo');
      server.close();
      await once(server, 'close');
      const refused = connectTcp(ns, { address, port: bound.port });
      const [error] = (await once(refused, 'error')) as [Error];
      expect(error.message).toMatch(/ECONNREFUSED/);
    }
  });

  it('say why they cannot be had', () => {
    const taken = openUdp(ns, { address: '127.0.0.1', port: 5353 });
    const started = openFiles();
    const error = failure(() => openUdp(ns, { address: '127.0.0.1', port: 5353 }));
    expect(isKernelErrno(error, 'EADDRINUSE')).toBe(true);
    expect(error).toMatchObject({ message: 'bind udp 127.0.0.1:5353: EADDRINUSE' });
    expect(() => listenTcp(ns, { address: '192.0.2.1', port: 80 })).toThrow('bind tcp 192.0.2.1:80: EADDRNOTAVAIL');
    expect(() => openUdp(ns, { address: 'localhost', port: 80 })).toThrow('not a numeric address: localhost');
    expect(openFiles()).toBe(started);
    taken.close();
  });
});

describe('sysctls of a namespace', () => {
  it('are read and written there, and only there', () => {
    const ours = readFileSync('/proc/sys/net/ipv4/conf/default/arp_ignore', 'utf8').trim();
    writeSysctl(ns, 'net.ipv4.conf.default.arp_ignore', '2');
    expect(readSysctl(ns, 'net/ipv4/conf/default/arp_ignore')).toBe('2');
    expect(readSysctl(other, 'net.ipv4.conf.default.arp_ignore')).toBe('0');
    expect(readFileSync('/proc/sys/net/ipv4/conf/default/arp_ignore', 'utf8').trim()).toBe(ours);
  });

  it('say why they cannot be had', () => {
    expect(() => readSysctl(ns, 'net.ipv4.nothing')).toThrow('sysctl net.ipv4.nothing: ENOENT');
    expect(() => writeSysctl(ns, 'net.ipv4.ip_forward', 'x')).toThrow('sysctl -w net.ipv4.ip_forward=x: EINVAL');
    for (const name of ['kernel.hostname', 'net/../kernel/hostname', 'net..x', '']) {
      expect(() => writeSysctl(ns, name, 'x')).toThrow('not a network sysctl');
    }
  });
});
