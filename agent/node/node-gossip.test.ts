import { createSocket } from 'node:dgram';
import { create } from '@bufbuild/protobuf';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '#base/clock.ts';
import { silentLogger } from '#base/log.ts';
import { GOSSIP_SUBSYSTEM, IPSEC_SUBSYSTEM, keyringOf, keySetOf } from '#netd/gossip/keys/keyring.ts';
import { type GossipNode, startGossip } from '#netd/gossip/node.ts';
import { sealPacket } from '#netd/gossip/wire/packet.ts';
import { encodeSwim } from '#netd/gossip/wire/swim-encode.ts';
import { type SessionMessage, SessionMessageSchema } from '#proto/gen/swarmkit/dispatcher_pb.js';
import type { HostNetwork } from './host-network.ts';
import { hostNetwork } from './host-network.ts';
import { createNodeGossip, type NodeGossip, type NodeGossipOptions } from './node-gossip.ts';

/** Loopback addresses of this file's own: nobody else listens there. */
const MANAGER = '127.0.9.1';
const OTHER_MANAGER = '127.0.9.2';
const SELF = '127.0.9.3';
const MOVED = '127.0.9.4';

let scope = new AsyncDisposableStack();
afterEach(async () => {
  await scope.disposeAsync();
  scope = new AsyncDisposableStack();
});

function keys(turns: number) {
  return [GOSSIP_SUBSYSTEM, IPSEC_SUBSYSTEM].flatMap((subsystem, at) =>
    [0, 1, 2].map((age) => {
      const tag = 100 + 10 * (turns + age) + at;
      return { subsystem, key: Buffer.alloc(16, tag), lamportTime: BigInt(tag) };
    }),
  );
}

function ring(turns: number) {
  const set = keySetOf(keys(turns), GOSSIP_SUBSYSTEM);
  if (set === undefined) throw new Error('no keys');
  return keyringOf(set);
}

function message(turns: number, managers = [MANAGER], seenAt = SELF): SessionMessage {
  return create(SessionMessageSchema, {
    sessionId: 's',
    networkBootstrapKeys: keys(turns),
    managers: managers.map((ip) => ({ peer: { nodeId: 'm', addr: `${ip}:2377` }, weight: 10n })),
    node: { vxlanUdpPort: 7789, status: { addr: seenAt } },
  });
}

/** The gossip of a manager; all of one test share a port the kernel chooses. */
async function manager(ip: string, port = 0, turns = 0): Promise<GossipNode> {
  const node = await startGossip({ listen: { ip, port }, advertiseIp: ip, keyring: ring(turns), logger: silentLogger });
  return scope.use(node);
}

/** A host with these addresses. */
function host(...addresses: string[]): HostNetwork & { addresses: string[] } {
  const self = {
    addresses,
    interfaces: () => [{ name: 'eth0', addresses: self.addresses }],
    sourceFor: async () => self.addresses[0] ?? '',
    portHolder: async (port: number) => `dockerd, which has ${port},`,
  };
  return self;
}

/** The gossip of a node, kept going until the test ends. */
function running(
  port: number,
  options: Partial<NodeGossipOptions> = {},
): { gossip: NodeGossip; stop: () => Promise<void> } {
  const gossip = createNodeGossip({
    advertiseAddr: null,
    dataPathAddr: null,
    host: host(SELF),
    clock: systemClock,
    log: silentLogger,
    listen: { ip: SELF, port },
    ...options,
  });
  const told = new AbortController();
  const ran = gossip.run(told.signal);
  const stop = () => {
    told.abort(new Error('the test is over'));
    return ran;
  };
  scope.defer(async () => {
    await stop();
    await gossip.close();
  });
  return { gossip, stop };
}

const alive = (node: GossipNode | undefined) => node?.summary().members.alive;
const soon = { timeout: 10_000 };

describe('the gossip of a node', () => {
  it('waits for keys, joins the managers, and follows rotations and new managers', async () => {
    const first = await manager(MANAGER);
    const { port } = first.address;
    const second = await manager(OTHER_MANAGER, port);
    const { gossip } = running(port);
    const seen: (readonly [name: string | undefined, peers: number | undefined])[] = [];
    gossip.onChange((node) => seen.push([node?.name, node?.summary().activePeers]));
    expect(gossip.state()).toEqual({ kind: 'waiting' });
    expect(gossip.dataPath()).toBeUndefined();

    gossip.onMessage(message(0));
    await expect.poll(() => alive(gossip.current()), soon).toBe(1);
    const node = gossip.current();
    expect(node?.address).toEqual({ ip: SELF, port });
    expect(seen).toEqual([[node?.name, 0]]); // told before it joins: what is published then is there for the first exchange
    expect(gossip.dataPath()).toEqual({ address: SELF, port: 7789 });
    expect(gossip.ipsecKeys()?.primary.lamportTime).toBe(111n);

    gossip.onMessage(message(1));
    expect(node?.summary().keys).toEqual({ primary: '120', others: ['110', '130'] });
    first.setKeyring(ring(1));
    second.setKeyring(ring(1));

    gossip.onMessage(message(1, [MANAGER, OTHER_MANAGER]));
    await expect.poll(() => [alive(node), alive(second)], soon).toEqual([2, 2]);
    expect(gossip.current()).toBe(node);
  }, 30_000);

  it('refuses keys that make no sense and stays with those of before', async () => {
    const { port } = await manager(MANAGER).then((node) => node.address);
    const { gossip } = running(port);
    gossip.onMessage(message(0));
    await expect.poll(() => gossip.state().kind, soon).toBe('running');
    const bad = message(1);
    bad.networkBootstrapKeys.pop();
    gossip.onMessage(bad);
    expect(gossip.refusedKeys()).toBe('the manager sent 2 keys of networking:ipsec, expected 3');
    expect(gossip.current()?.summary().keys.primary).toBe('110');
    gossip.onMessage(message(1));
    expect(gossip.refusedKeys()).toBeUndefined();
    expect(gossip.current()?.summary().keys.primary).toBe('120');
  });

  it('keeps trying while its port is taken', async () => {
    const { port } = await manager(MANAGER).then((node) => node.address);
    const stranger = await manager(SELF, port);
    const { gossip } = running(port);
    gossip.onMessage(message(0));
    await expect
      .poll(() => gossip.state(), soon)
      .toMatchObject({
        kind: 'failing',
        error: {
          code: 'gossip-port-in-use',
          message: `${SELF}:${port} is already in use by dockerd, which has ${port},`,
        },
      });
    await stranger[Symbol.asyncDispose]();
    await expect.poll(() => gossip.state().kind, soon).toBe('running');
  });

  it('says that no peer can be reached, until one can', async () => {
    const port = await manager(OTHER_MANAGER).then((node) => node.address.port);
    const { gossip } = running(port);
    gossip.onMessage(message(0));
    await expect
      .poll(() => gossip.unreachable(), soon)
      .toMatchObject({
        addresses: [MANAGER],
        reason: expect.stringContaining('ECONNREFUSED'),
      });
    gossip.onMessage(message(0, [OTHER_MANAGER]));
    await expect.poll(() => gossip.unreachable(), soon).toBeUndefined();
  });

  it('says goodbye when it leaves and nothing when it closes', async () => {
    const first = await manager(MANAGER);
    const { port } = first.address;
    const state = (name: string | undefined) => first.view().peers.find((peer) => peer.name === name);
    const leaving = running(port);
    leaving.gossip.onMessage(message(0));
    await expect.poll(() => alive(leaving.gossip.current()), soon).toBe(1);
    const name = leaving.gossip.current()?.name;
    await leaving.stop();
    expect(leaving.gossip.current()?.name).toBe(name); // rows can still be withdrawn
    await leaving.gossip.leave();
    expect(leaving.gossip.current()).toBeUndefined();
    await expect.poll(() => state(name), soon).toMatchObject({ state: 'left', status: 'left' });

    const closing = running(port);
    closing.gossip.onMessage(message(0));
    await expect.poll(() => alive(closing.gossip.current()), soon).toBe(1);
    const other = closing.gossip.current()?.name;
    expect(other).not.toBe(name);
    await closing.stop();
    await closing.gossip.close();
    expect(state(other)).toMatchObject({ state: 'alive', status: 'active' });
  }, 30_000);

  it('goes when the swarm puts the node out, and comes back when it is taken in again', async () => {
    const first = await manager(MANAGER);
    const { gossip } = running(first.address.port);
    gossip.onMessage(message(0));
    await expect.poll(() => alive(gossip.current()), soon).toBe(1);
    const { name } = gossip.current() ?? {};
    gossip.onRemoved();
    await expect.poll(() => gossip.state(), soon).toEqual({ kind: 'waiting' });
    await expect
      .poll(() => first.view().peers.find((peer) => peer.name === name), soon)
      .toMatchObject({ state: 'left', status: 'left' });
    gossip.onRemoved(); // as at every attempt to register
    expect(gossip.current()).toBeUndefined();
    gossip.onMessage(message(0));
    await expect.poll(() => alive(gossip.current()), soon).toBe(1);
  });

  it('advertises what join was told, by address or interface', async () => {
    const { port } = await manager(MANAGER).then((node) => node.address);
    const two = host(MOVED, SELF);
    const { gossip } = running(port, { advertiseAddr: SELF, dataPathAddr: MOVED, host: two });
    gossip.onMessage(message(0));
    await expect.poll(() => gossip.current()?.address.ip, soon).toBe(SELF);
    expect(gossip.dataPath()).toEqual({ address: MOVED, port: 7789 });
    two.addresses = [SELF];
    expect(gossip.dataPath()).toMatchObject({ code: 'address-not-local' });
  });

  it('cannot start with an address that is not here any more, and says which there are', async () => {
    const { gossip } = running(0, { advertiseAddr: 'eth7', host: host('10.0.0.5') });
    gossip.onMessage(message(0));
    await expect
      .poll(() => gossip.state(), soon)
      .toMatchObject({
        kind: 'failing',
        error: { code: 'address-not-local', mend: 'Give one of eth0=10.0.0.5.' },
      });
  });

  /** A clock that can be put forward, past the least life of a name. */
  function clockAhead() {
    let aheadMs = 0;
    const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + aheadMs };
    const forward = (ms: number) => {
      aheadMs += ms;
    };
    return { clock, forward };
  }

  it('starts under another name when nobody would believe its own any more', async () => {
    const { address } = await manager(MANAGER);
    const { clock, forward } = clockAhead();
    const { gossip } = running(address.port, { clock });
    gossip.onMessage(message(0));
    await expect.poll(() => alive(gossip.current()), soon).toBe(1);
    const { name = '' } = gossip.current() ?? {};
    forward(60_000);
    // An accusation that leaves no higher number to object with.
    const forged = encodeSwim({ kind: 'suspect', node: name, incarnation: 2 ** 32 - 1, from: 'b7702e6f5501' });
    const socket = createSocket('udp4');
    socket.send(sealPacket(forged, false, ring(0).primary, Buffer.alloc(12, 7)), address.port, SELF);
    await expect.poll(() => gossip.current()?.name ?? name, soon).not.toBe(name);
    await expect.poll(() => alive(gossip.current()), soon).toBeGreaterThan(0);
    socket.close();
  });

  it('starts under another name at the address the host has now', async () => {
    const { port } = await manager(MANAGER).then((node) => node.address);
    const { clock, forward } = clockAhead();
    const one = host(SELF);
    const { gossip } = running(port, { clock, host: one, listen: { ip: '0.0.0.0', port: 0 } });
    gossip.onMessage(message(0));
    await expect.poll(() => gossip.current()?.address.ip, soon).toBe(SELF);
    const { name } = gossip.current() ?? {};
    one.addresses = [SELF, MOVED];
    forward(60_000);
    gossip.onMessage(message(0, [MANAGER], MOVED)); // while the old one is there, it stays
    await new Promise((resolve) => setImmediate(resolve));
    expect(gossip.current()?.name).toBe(name);
    one.addresses = [MOVED];
    gossip.onMessage(message(0, [MANAGER], SELF));
    gossip.onMessage(message(0, [MANAGER], MOVED));
    await expect.poll(() => gossip.current()?.address.ip, soon).toBe(MOVED);
    expect(gossip.current()?.name).not.toBe(name);
  });

  it('asks the routes of this host where nobody has told it anything', async () => {
    expect(await hostNetwork.sourceFor('127.0.0.1')).toBe('127.0.0.1');
    expect(hostNetwork.interfaces()).toContainEqual({ name: 'lo', addresses: expect.arrayContaining(['127.0.0.1']) });
    const { port } = await manager(MANAGER).then((node) => node.address);
    const { gossip } = running(port, { host: host(MOVED), listen: { ip: MOVED, port } }); // the manager sees another
    gossip.onMessage(message(0));
    await expect.poll(() => gossip.current()?.address.ip, soon).toBe(MOVED);
  });
});
