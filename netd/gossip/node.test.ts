import { createSocket } from 'node:dgram';
import { afterEach, describe, expect, test } from 'vitest';
import { NetdError } from '#base/errors.ts';
import { silentLogger } from '#base/log.ts';
import { GOSSIP_SUBSYSTEM, type Keyring, keyringOf, keySetOf } from './keys/keyring.ts';
import { type GossipNode, startGossip } from './node.ts';
import type { Endpoint } from './records.ts';
import { GOLDEN_WORLD, golden } from './wire/golden-vectors.ts';
import { sealPacket } from './wire/packet.ts';

const NET = GOLDEN_WORLD.network;
const nodes: GossipNode[] = [];

afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node[Symbol.asyncDispose]()));
});

function ring(first: number): Keyring {
  const keys = [0, 1, 2].map((i) => ({
    subsystem: GOSSIP_SUBSYSTEM,
    key: Buffer.alloc(16, first + i),
    lamportTime: BigInt(first + i),
  }));
  const set = keySetOf(keys, GOSSIP_SUBSYSTEM);
  if (set === undefined) throw new Error('no keys');
  return keyringOf(set);
}

/** Starts a node on its own loopback address, on a port the kernel chooses. */
async function start(host: number, keyring = ring(1), port = 0): Promise<GossipNode> {
  const ip = `127.0.7.${host}`;
  const node = await startGossip({ listen: { ip, port }, advertiseIp: ip, keyring, logger: silentLogger });
  nodes.push(node);
  return node;
}

async function cluster(size: number): Promise<GossipNode[]> {
  const started: GossipNode[] = [];
  for (let host = 1; host <= size; host++) started.push(await start(host));
  for (const node of started.slice(1)) node.join([started[0]?.address ?? node.address]);
  await expect.poll(() => started.map((node) => alive(node)), { timeout: 10_000 }).toEqual(started.map(() => size - 1));
  return started;
}

function alive(node: GossipNode): number {
  return node.view().peers.filter((peer) => peer.state === 'alive').length;
}

function endpoint(name: string): Endpoint {
  return {
    name,
    service: undefined,
    virtualIp: undefined,
    ip: '10.0.1.9',
    ingressPorts: [],
    aliases: [],
    taskAliases: [],
    disabled: false,
  };
}

function names(node: GossipNode): string[] {
  return (node.tables.snapshot(NET)?.endpoints ?? []).map((one) => one.value.name).sort();
}

describe('nodes on loopback', () => {
  test('meet, share rows both ways, rotate keys, and say goodbye', async () => {
    const [a, b, c] = await cluster(3);
    if (!a || !b || !c) throw new Error('three nodes');
    for (const node of [a, b, c]) {
      node.tables.attach(NET);
      node.tables.publishEndpoint(NET, `endpoint-of-${node.name}`, endpoint(node.name));
    }
    const all = [a, b, c].map((node) => node.name).sort();
    await expect.poll(() => [a, b, c].map(names), { timeout: 10_000 }).toEqual([all, all, all]);

    // One node after the other hears of the rotation; every pair understands each other all the time.
    for (const node of [a, b, c]) {
      node.setKeyring(ring(2));
      node.tables.publishEndpoint(NET, `after-rotation-${node.name}`, endpoint(`rotated-${node.name}`));
    }
    const more = [...all, ...all.map((name) => `rotated-${name}`)].sort();
    await expect.poll(() => [a, b, c].map(names), { timeout: 10_000 }).toEqual([more, more, more]);
    expect(JSON.stringify(a.view())).not.toContain(Buffer.alloc(16, 2).toString('hex'));
    expect(a.view().keys).toEqual({ primary: '3', others: ['2', '4'] });

    await c.leave();
    await expect
      .poll(() => [a, b].map((node) => node.view().peers.find((peer) => peer.name === c.name)), { timeout: 5000 })
      .toMatchObject([
        { state: 'left', status: 'left' },
        { state: 'left', status: 'left' },
      ]);
    const rest = more.filter((name) => !name.includes(c.name));
    expect([a, b].map(names)).toEqual([rest, rest]);
  }, 40_000);

  test('S19 a restart at the same address under a new name replaces the old one at once', async () => {
    const [a, b] = await cluster(2);
    if (!a || !b) throw new Error('two nodes');
    a.tables.attach(NET);
    b.tables.attach(NET);
    b.tables.publishEndpoint(NET, 'old', endpoint('old'));
    await expect.poll(() => names(a), { timeout: 5000 }).toEqual(['old']);
    await b[Symbol.asyncDispose]();
    const again = await start(2, ring(1), b.address.port);
    expect(again.name).not.toBe(b.name);
    again.join([a.address]);
    await expect
      .poll(
        () =>
          a
            .view()
            .peers.map((peer) => [peer.name, peer.status])
            .sort(),
        { timeout: 5000 },
      )
      .toEqual(
        [
          [again.name, 'active'],
          [b.name, 'left'],
        ].sort(),
      );
    expect(names(a)).toEqual([]);
  }, 20_000);

  test('a stranger’s keys open nothing, and the stranger is told once that nobody can be reached', async () => {
    const told: string[] = [];
    const logger = { ...silentLogger, warn: (_: unknown, message: string) => told.push(message) };
    const a = await start(1);
    const ip = '127.0.7.9';
    const options = { listen: { ip, port: 0 }, advertiseIp: ip, keyring: ring(50) };
    const stranger = await startGossip({ ...options, logger: Object.assign(Object.create(silentLogger), logger) });
    nodes.push(stranger);
    stranger.join([a.address]);
    await expect.poll(() => told, { timeout: 5000 }).toEqual(['no gossip peer can be reached; will keep trying']);
    expect([alive(a), alive(stranger)]).toEqual([0, 0]);
  });

  test('S01 F08 F28 datagrams: answered from our port; refused versions, plaintext and ICMP errors change nothing', async () => {
    const a = await start(1);
    const peer = createSocket('udp4');
    await new Promise<void>((resolve) => peer.bind(0, '127.0.0.1', () => resolve()));
    const answers: { port: number; size: number }[] = [];
    peer.on('message', (bytes, from) => answers.push({ port: from.port, size: bytes.length }));
    const send = (bytes: Uint8Array) => peer.send(bytes, a.address.port, a.address.ip);
    const ping = (seal: (message: Buffer) => Buffer) => {
      const message = golden('G05');
      // To whoever is there.
      send(seal(Buffer.from(message.toString('hex').replace('ac623737303265366635356161', 'a0'), 'hex')));
    };
    const key = Buffer.alloc(16, 2);
    for (const name of ['M16', 'M17', 'M18', 'G23', 'M01'] as const) send(golden(name));
    ping((message) => message);
    send(Buffer.alloc(0));
    // Each of these sends the node's answer to a closed port.
    for (let i = 0; i < 50; i++) {
      const closed = { ip: '127.0.0.1', port: 9 };
      const hex = golden('G04').toString('hex').replace('ac623737303265366635356161', 'a0');
      const message = Buffer.from(
        hex.replace('c40a00000b', `c4${closed.ip}`).replace('0a00000b', '7f000001').replace('cd1f0a', 'cd0009'),
        'hex',
      );
      send(sealPacket(message, false, key, GOLDEN_WORLD.nonce));
    }
    ping((message) => sealPacket(message, true, key, GOLDEN_WORLD.nonce));
    await expect.poll(() => answers, { timeout: 5000 }).toHaveLength(1);
    expect(answers[0]?.port).toBe(a.address.port);
    peer.close();
  });

  test('a node that listens everywhere talks to one that listens on one address', async () => {
    const a = await start(1);
    const everywhere = await startGossip({
      listen: { ip: '0.0.0.0', port: 0 },
      advertiseIp: '127.0.0.1',
      keyring: ring(1),
      logger: silentLogger,
    });
    nodes.push(everywhere);
    everywhere.join([a.address]);
    await expect.poll(() => [alive(a), alive(everywhere)], { timeout: 5000 }).toEqual([1, 1]);
    for (const node of [a, everywhere]) {
      node.tables.attach(NET);
      node.tables.publishEndpoint(NET, `endpoint-of-${node.name}`, endpoint(node.name));
    }
    const all = [a.name, everywhere.name].sort();
    await expect.poll(() => [a, everywhere].map(names), { timeout: 5000 }).toEqual([all, all]);
  }, 20_000);

  test('a port in use and an address of nobody here are refused with what to do', async () => {
    const a = await start(1);
    const taken = start(1, ring(1), a.address.port);
    await expect(taken).rejects.toThrow(NetdError);
    await expect(taken).rejects.toMatchObject({
      code: 'gossip-port-in-use',
      mend: expect.stringContaining('docker swarm leave'),
    });
    const foreign = startGossip({
      listen: { ip: '192.0.2.1', port: 0 },
      advertiseIp: '192.0.2.1',
      keyring: ring(1),
      logger: silentLogger,
    });
    await expect(foreign).rejects.toMatchObject({
      code: 'gossip-address-not-local',
      mend: expect.stringContaining('lo=127.0.0.1'),
    });
  });
});
