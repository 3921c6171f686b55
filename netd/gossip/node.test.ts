import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import { NetdError } from '#base/errors.ts';
import { silentLogger } from '#base/log.ts';
import { GOSSIP_SUBSYSTEM, type Keyring, keyringOf, keySetOf } from './keys/keyring.ts';
import { type GossipNode, startGossip } from './node.ts';
import type { Endpoint } from './records.ts';
import { GOLDEN_WORLD, golden } from './wire/golden-vectors.ts';
import { eachMessage, openPacket, sealPacket } from './wire/packet.ts';
import { decodeSwim } from './wire/swim-decode.ts';
import { encodeSwim } from './wire/swim-encode.ts';
import type { Source } from './wire/swim-message.ts';

const NET = GOLDEN_WORLD.network;
const nodes: GossipNode[] = [];

afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node[Symbol.asyncDispose]()));
});

function ring(first: number): Keyring {
  return ringOf(
    [0, 1, 2].map((i) => Buffer.alloc(16, first + i)),
    first,
  );
}

function ringOf(keys: readonly Buffer[], first = 1): Keyring {
  const known = keys.map((key, i) => ({ subsystem: GOSSIP_SUBSYSTEM, key, lamportTime: BigInt(first + i) }));
  const set = keySetOf(known, GOSSIP_SUBSYSTEM);
  if (set === undefined) throw new Error('no keys');
  return keyringOf(set);
}

/** A socket that notes each ack it gets: from which port, to what, and under which of the keys. */
async function asker(keys: readonly Buffer[] = [GOLDEN_WORLD.key]) {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const answers: { port: number; seqNo: number; primary: string | undefined }[] = [];
  socket.on('message', (datagram, { port }) => {
    const primary = keys.find((key) => isOpenedBy(datagram, key))?.toString('hex');
    const note = (bytes: Buffer) => {
      const message = decodeSwim(bytes);
      if (message?.kind === 'ack') answers.push({ port, seqNo: message.seqNo, primary });
    };
    // Gossip travels beside an ack.
    eachMessage(openPacket(datagram, keys), note, (error) => {
      throw error;
    });
  });
  return { socket, answers, port: socket.address().port };
}

function isOpenedBy(datagram: Buffer, key: Buffer): boolean {
  try {
    openPacket(datagram, [key]);
    return true;
  } catch {
    return false;
  }
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

  test('S01 F01 F08 F28 datagrams: answered from our port; refused versions, plaintext and ICMP errors change nothing', async () => {
    // The vectors are sealed under this key: it is for what they hold that they are refused.
    const { key, nonce } = GOLDEN_WORLD;
    const a = await start(1, ringOf([Buffer.alloc(16, 1), key, Buffer.alloc(16, 3)]));
    const peer = await asker();
    const gone = await asker();
    const send = (bytes: Uint8Array) => peer.socket.send(bytes, a.address.port, a.address.ip);
    const ask = (seqNo: number, seal: (message: Buffer) => Buffer, source?: Source) =>
      send(seal(encodeSwim({ kind: 'ping', seqNo, node: '', source })));
    const sealed = (message: Buffer) => sealPacket(message, true, key, nonce);

    for (const name of ['M16', 'M17', 'M18', 'G23', 'M01', 'G21'] as const) send(golden(name));
    send(Buffer.alloc(0));
    ask(1, (message) => message);
    ask(2, (message) => sealPacket(message, true, Buffer.alloc(16, 9), nonce));
    // The first is answered to where it says; then nobody is there any more, and the kernel says so to the node.
    ask(3, sealed, { ip: '127.0.0.1', port: gone.port, node: 'x' });
    await expect.poll(() => gone.answers.map(({ seqNo }) => seqNo), { timeout: 5000 }).toEqual([3]);
    gone.socket.close();
    for (let i = 0; i < 50; i++) ask(4, sealed, { ip: '127.0.0.1', port: gone.port, node: 'x' });
    // Datagrams stay in order here: when this one is answered, all before it have been handled.
    ask(5, sealed);
    await expect.poll(() => peer.answers.at(-1)?.seqNo, { timeout: 5000 }).toBe(5);
    expect(peer.answers).toEqual([{ port: a.address.port, seqNo: 5, primary: key.toString('hex') }]);
    expect(a.view().peers).toEqual([]);
    peer.socket.close();
  });

  test('S18 after a rotation the previous key still opens, the new one seals, and the one before is refused', async () => {
    const [k0, k1, k2, k3] = [1, 2, 3, 4].map((byte) => Buffer.alloc(16, byte));
    if (!k0 || !k1 || !k2 || !k3) throw new Error('four keys');
    const a = await start(1, ringOf([k0, k1, k2]));
    const peer = await asker([k0, k1, k2, k3]);
    const ask = (seqNo: number, key: Buffer) => {
      const ping = encodeSwim({ kind: 'ping', seqNo, node: a.name, source: undefined });
      peer.socket.send(sealPacket(ping, false, key, GOLDEN_WORLD.nonce), a.address.port, a.address.ip);
    };
    const answered = async (seqNo: number) => {
      await expect.poll(() => peer.answers.at(-1)?.seqNo, { timeout: 5000 }).toBe(seqNo);
      return peer.answers.splice(0).map((answer) => [answer.seqNo, answer.primary?.slice(0, 2)]);
    };
    for (const [i, key] of [k3, k0, k2, k1].entries()) ask(i, key);
    expect(await answered(3)).toEqual([1, 2, 3].map((seqNo) => [seqNo, '02']));
    a.setKeyring(ringOf([k1, k2, k3]));
    for (const [i, key] of [k0, k3, k2, k1].entries()) ask(10 + i, key);
    expect(await answered(13)).toEqual([11, 12, 13].map((seqNo) => [seqNo, '03']));
    peer.socket.close();
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
