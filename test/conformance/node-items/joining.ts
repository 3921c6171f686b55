import { readdirSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Netd } from '#test/hosts/netd.ts';
import { clusterOf, type Swarm, swarmNodes, swarmOf } from '#test/hosts/swarm.ts';
import { usePart } from '../bed-part.ts';
import {
  containersOf,
  inspectNode,
  LOAD_SLACK_MS,
  nodeIdOf,
  problemCodes,
  running,
  runsOn,
  sleepers,
  statusOf,
  statusWith,
  tasksOf,
} from '../both-sides.ts';
import { item } from '../items.ts';
import type { NodeBed } from '../node-bed.ts';

/** What a node is to its manager. One test after the other, in a swarm of which all nodes are theirs. */
export function joiningItems(bed: () => NodeBed): void {
  describe('that join', { concurrent: true }, () => useNewcomers(bed));
}

function useNewcomers(bed: () => NodeBed): void {
  const part = usePart(bed);
  let swarm: Swarm;
  let node: Netd;
  let other: Netd;

  beforeAll(async () => {
    swarm = await part().swarm('m2');
    [node, other] = await Promise.all([part().agent('w1'), part().agent('w4')]);
  });

  const nodeNames = async () => (await swarmNodes(swarm.manager)).map(({ hostname }) => hostname);
  const nothingHappened = async () => {
    expect(await nodeNames()).toEqual(['m2']);
    expect((await statusOf(node)).cluster).toMatchObject({ state: 'not-joined', nodeId: null });
    expect(readdirSync(node.host.path(node.stateDir))).toEqual(['agent.lock']);
  };

  test(item(2), { concurrent: false }, async () => {
    const [prefix, version, digest = '', secret] = swarm.tokens.worker.split('-');
    const wrong = digest.replace(/.$/, (last) => (last === 'a' ? 'b' : 'a'));
    const joined = await node.exec(['join', '--token', `${prefix}-${version}-${wrong}-${secret}`, swarm.address]);
    expect(joined).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('is not the one the join token names'),
    });
    expect(joined.stderr).not.toContain(secret);
    await nothingHappened();
  });

  test(item(3), { concurrent: false }, async () => {
    await swarm.manager.docker('swarm', 'join-token', '--rotate', '--quiet', 'worker');
    const joined = await node.exec(['join', '--token', swarm.tokens.worker, swarm.address]);
    expect(joined).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/token/) });
    await nothingHappened();
    swarm = await swarmOf(swarm.manager);
  });

  test(item(1), { concurrent: false }, async () => {
    const sinceSec = Math.floor(Date.now() / 1000);
    await node.join(swarm);
    const nodeId = await nodeIdOf(node);
    const format = '{{.ID}} {{.Hostname}} {{.Status}} {{.Availability}} "{{.ManagerStatus}}" {{.EngineVersion}}';
    const rows = (await swarm.manager.docker('node', 'ls', '--format', format)).split('\n');
    const engine = await node.host.docker('version', '--format', '{{.Server.Version}}');
    expect(rows).toContain(`${nodeId} shared Ready Active "" ${engine}`);
    expect(rows).toHaveLength(2);

    const range = ['--since', `${sinceSec}`, '--until', `${Math.ceil(Date.now() / 1000) + 1}`];
    const events = ['events', ...range, '--filter', 'type=node', '--format', '{{json .}}'];
    const lines = (await swarm.manager.docker(...events)).split('\n').map((line) => JSON.parse(line));
    const own = lines.filter(({ Actor }) => Actor.ID === nodeId);
    const created = own.find(({ Action }) => Action === 'create');
    const ready = own.find(({ Actor }) => Actor.Attributes['state.new'] === 'ready');
    expect((ready.timeNano - created.timeNano) / 1e6).toBeLessThan(2_000 + LOAD_SLACK_MS);
  });

  test(item(5), { concurrent: false }, async () => {
    const { Description, Status } = await inspectNode(swarm.manager, await nodeIdOf(node));
    const info = await node.host.engine.api().info();
    expect(Description).toMatchObject({
      Hostname: 'shared',
      Platform: { Architecture: info.Architecture, OS: 'linux' },
      Resources: { NanoCPUs: info.NCPU * 1e9, MemoryBytes: info.MemTotal },
      Engine: { EngineVersion: info.ServerVersion, Labels: { agent: 'w1' } },
    });
    const plugins = Description.Engine.Plugins.map(({ Type, Name }) => `${Type} ${Name}`);
    expect(plugins).toEqual(
      expect.arrayContaining(['Volume local', 'Network bridge', 'Network host', 'Log json-file']),
    );
    expect(plugins).toEqual([...new Set(plugins)].sort());
    expect(Status.Addr).toBe(node.host.address);

    const manager = await inspectNode(swarm.manager, swarm.manager.name);
    const { TrustRoot } = (await clusterOf(swarm.manager)).TLSInfo;
    expect(Description.TLSInfo.TrustRoot).toBe(TrustRoot);
    expect(Description.TLSInfo).toEqual(manager.Description.TLSInfo);
    const format = '{{.Hostname}} {{.TLSStatus}}';
    expect(await swarm.manager.docker('node', 'ls', '--format', format)).toContain('shared Ready');
  });

  test(item(4), { concurrent: false }, async () => {
    await other.join(swarm, ['--availability', 'drain']);
    const otherId = await nodeIdOf(other);
    expect(await swarmNodes(swarm.manager)).toContainEqual(
      expect.objectContaining({ id: otherId, status: 'Ready', availability: 'Drain' }),
    );
    const service = await sleepers(swarm.manager, 'everywhere', '--mode', 'global');
    const [task] = await running(swarm.manager, service);
    expect(task?.NodeID).toBe(await nodeIdOf(node));
    expect((await tasksOf(swarm.manager, service)).map(({ NodeID }) => NodeID)).not.toContain(otherId);
    expect(problemCodes(await statusOf(other))).toContain('availability-drain');
  });

  test('paused, a node keeps its tasks and gets no others', { concurrent: false }, async () => {
    const nodeId = await nodeIdOf(node);
    const service = await sleepers(swarm.manager, 'some');
    await running(swarm.manager, service);
    const before = await containersOf(node.host, service);
    await swarm.manager.docker('node', 'update', '--availability', 'pause', nodeId);
    await statusWith(node, 'is paused', (status) => problemCodes(status).includes('availability-pause'));
    await swarm.manager.docker('service', 'scale', '--detach', 'some=2');
    await statusWith(node, 'still has its task', ({ cluster }) => cluster.availability === 'pause');
    const states = (await tasksOf(swarm.manager, service)).map(({ Status }) => Status.State);
    expect(states.filter((state) => state === 'running')).toHaveLength(1);
    expect(await containersOf(node.host, service)).toEqual(before);

    await swarm.manager.docker('node', 'update', '--availability', 'active', nodeId);
    expect(await runsOn(node.host, service, 2)).toEqual(expect.arrayContaining([...before]));
  });
}
