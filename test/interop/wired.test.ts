import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createApiClient } from '#agent/api/client.ts';
import type { GossipDocument } from '#agent/api/documents.ts';
import { patiently } from '#test/conformance/patiently.ts';
import { type Bed, createBed } from '#test/hosts/bed.ts';
import type { Host } from '#test/hosts/host.ts';
import { type Netd, startNetd } from '#test/hosts/netd.ts';
import { dockerJoin, type Swarm, swarmInit } from '#test/hosts/swarm.ts';
import { complaints, dockerLog } from './docker-side.ts';
import { rotateKeysEvery } from './fast-rotation.ts';

// The gossip as an agent runs it: keys, managers and addresses from the session, beside a manager and a worker of Docker's own.
// What the gossip itself does is tested with the probes of gossip.test.ts.

const ROTATION_SEC = 15;

let bed: Bed;
let manager: Host;
let worker: Host;
let netd: Netd;
let swarm: Swarm;

beforeAll(async () => {
  bed = await createBed();
  const hosts = await Promise.all([bed.host('m1'), bed.host('w1'), bed.host('n1')]);
  [manager, worker] = hosts;
  rotateKeysEvery(manager, ROTATION_SEC);
  const debug = { daemonJson: { debug: true } };
  await Promise.all([manager.engine.start(debug), worker.engine.start(debug), hosts[2].engine.start()]);
  swarm = await swarmInit(manager);
  await dockerJoin(worker, swarm);
  netd = await startNetd(hosts[2]);
});
afterAll(async () => {
  await bed?.end();
});

async function gossip(): Promise<GossipDocument> {
  return (await createApiClient(netd.socketPath).gossip()).document;
}

/** How long dockerds, three nodes in all, at least suspect one that does not answer (spec gossip §10.7). */
const SUSPICION_MS = 4000;

/** Waits until the gossip holds exactly the two dockerds for well. Gives its own name. */
async function together(): Promise<string> {
  return patiently('netd and both dockerds are together', async () => {
    const { gossip: self, peers } = await gossip();
    // For half a minute after a restart it knows its own old name as one that does not answer any more.
    const others = peers.filter(({ address }) => address !== self.node?.address);
    const seen = others.map(({ address, state, status, manager: leads }) => ({ address, state, status, leads }));
    expect(seen.toSorted((a, b) => (a.address < b.address ? -1 : 1))).toEqual([
      { address: `${manager.address}:7946`, state: 'alive', status: 'active', leads: true },
      { address: `${worker.address}:7946`, state: 'alive', status: 'active', leads: false },
    ]);
    return self.node?.name;
  });
}

/** Waits until both dockerds have said that of the node with this gossip name. */
async function dockersSay(name: string, what: string): Promise<void> {
  await patiently(`both dockerds: ${name} ${what}`, () =>
    [manager, worker].every((host) =>
      dockerLog(host)
        .split('\n')
        .some((line) => line.includes(name) && line.includes(what)),
    ),
  );
}

async function problems(): Promise<readonly { readonly code: string; readonly what: string }[]> {
  return (await createApiClient(netd.socketPath).status()).document.problems;
}

describe('an agent in the gossip of dockerds', () => {
  let name = '';

  test('is not joined with addresses that are not its own', async () => {
    const join = (...flags: string[]) => netd.exec(['join', '--token', swarm.tokens.worker, ...flags, swarm.address]);
    const own = `eth0=${netd.host.address}`;
    expect(await join('--advertise-addr', '10.99.9.9')).toMatchObject({
      exitCode: 2,
      stderr: expect.stringMatching(new RegExp(`--advertise-addr 10.99.9.9 is not an address of this host\\n.*${own}`)),
    });
    expect(await join('--data-path-addr', 'eth7')).toMatchObject({
      exitCode: 2,
      stderr: expect.stringMatching(new RegExp(`--data-path-addr eth7: this host has no interface.*\\n.*${own}`)),
    });
    expect(readdirSync(netd.host.path(netd.stateDir))).toEqual(['agent.lock']);
  });

  test('joins it when it joins the swarm, told an interface', async () => {
    await netd.run(['join', '--token', swarm.tokens.worker, '--advertise-addr', 'eth0', swarm.address]);
    name = await together();
    await dockersSay(name, 'joined gossip cluster');
    const { gossip: self } = await gossip();
    expect(self).toMatchObject({
      state: 'joined',
      unreachable: null,
      dataPath: { address: netd.host.address, port: 4789 },
      node: { address: `${netd.host.address}:7946`, healthScore: 0 },
    });
    expect((await netd.exec(['status'])).exitCode).toBe(0);
    expect(await netd.run(['inspect', 'gossip'])).toMatch(/^Gossip +joined .*\n(.*\n)+PEER/);
  });

  test('follows the rotation of keys, three times and more: none of the first is left', async () => {
    const first = (await gossip()).gossip.node?.keys;
    expect(first).toBeDefined();
    const newest = Math.max(...[first?.primary ?? '', ...(first?.others ?? [])].map(Number));
    await patiently('all keys are new', async () => {
      const keys = (await gossip()).gossip.node?.keys;
      return Math.min(...[keys?.primary ?? '', ...(keys?.others ?? [])].map(Number)) > newest;
    });
    expect(await together()).toBe(name);
    expect((await gossip()).gossip.node?.refusedMessages).toBe(0);
    for (const host of [manager, worker]) expect(complaints(host, 'misunderstanding')).toEqual([]);
  });

  test.each([
    ['is restarted', () => netd.restart()],
    [
      'is killed and started',
      async () => {
        await netd.kill();
        await netd.start();
      },
    ],
  ])('comes back under another name when it %s, and the dockerds forget the old one', async (_, restart) => {
    const before = name;
    const beganMs = performance.now();
    await restart();
    name = await together();
    const isQuick = performance.now() - beganMs < SUSPICION_MS;
    expect(name).not.toBe(before);
    await dockersSay(name, 'joined gossip cluster');
    // On a machine so busy that this took longer, they may have given the old one up before.
    await dockersSay(before, isQuick ? 'NodeActive --> NodeLeft' : '--> NodeLeft');
    for (const host of [manager, worker]) expect(complaints(host, 'misunderstanding')).toEqual([]);
  });

  test('keeps trying while its port is taken, and says by whom', async () => {
    await netd.stop();
    const script = 'require("node:net").createServer().listen(7946, () => console.log("listening"))';
    const other = await netd.host.spawn('other', ['node', '-e', script]);
    await patiently('the other listens', () => other.log().includes('listening'));
    await netd.start();
    await patiently('netd says so', async () => (await problems()).some(({ code }) => code === 'gossip-port-in-use'));
    const status = await netd.exec(['status']);
    expect(status.exitCode).toBe(3);
    expect(status.stdout.replaceAll(/\s+/g, ' ')).toMatch(/0\.0\.0\.0:7946 is already in use by node \(process \d+\)/);
    await new Promise((resolve) => setTimeout(resolve, 5_000)); // two more attempts
    expect(netd.log().match(/gossip cannot start/g)).toHaveLength(1);
    await other.stop();
    name = await together();
  });

  test('says that nobody can be reached, once, and finds the others as soon as that is over', async () => {
    const firewall = (change: '-I' | '-D') =>
      Promise.all(
        ['tcp', 'udp'].flatMap((protocol) =>
          ['INPUT', 'OUTPUT'].map((chain) =>
            netd.host.run(['iptables', change, chain, '-p', protocol, '--dport', '7946', '-j', 'REJECT']),
          ),
        ),
      );
    await netd.stop();
    await firewall('-I');
    await netd.start();
    await patiently('netd says so', async () => (await problems()).some(({ code }) => code === 'gossip-unreachable'));
    expect((await netd.exec(['status'])).exitCode).toBe(3);
    expect((await gossip()).gossip).toMatchObject({
      state: 'searching',
      unreachable: { addresses: [manager.address] },
    });
    expect(netd.log().match(/no gossip peer can be reached/g)).toHaveLength(1);
    await firewall('-D');
    name = await together();
    expect((await netd.exec(['status'])).exitCode).toBe(0);
  });

  test('says goodbye when it leaves the swarm', async () => {
    await netd.run(['leave']);
    await dockersSay(name, 'NodeActive --> NodeLeft');
    for (const host of [manager, worker]) {
      expect(dockerLog(host)).not.toMatch(new RegExp(`${name}.*NodeFailed|NodeFailed.*${name}`));
      expect(complaints(host, 'misunderstanding')).toEqual([]);
    }
    expect((await gossip()).gossip.state).toBe('off');
  });

  test('says goodbye when the swarm puts it out: its addresses go to others', async () => {
    await netd.join(swarm);
    name = await together();
    const { nodeId } = (await createApiClient(netd.socketPath).status()).document.cluster;
    await manager.docker('node', 'rm', '--force', nodeId ?? '');
    await dockersSay(name, 'NodeActive --> NodeLeft');
    await patiently('netd has stopped the gossip', async () => (await gossip()).gossip.state === 'waiting');
    await netd.run(['leave']);
  });
});
