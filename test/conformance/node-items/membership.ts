import { cpSync, lstatSync } from 'node:fs';
import { expect, test } from 'vitest';
import { eventually } from '#test/hosts/eventually.ts';
import { partOf } from '../bed-part.ts';
import {
  containersOf,
  inspectNode,
  listedAs,
  nextBeat,
  nodeIdOf,
  nodeIdsOf,
  on,
  PATIENCE,
  problemCodes,
  ready,
  running,
  runsOn,
  sleepers,
  statesSince,
  statusOf,
  statusWith,
} from '../both-sides.ts';
import { item } from '../items.ts';
import type { NodeBed } from '../node-bed.ts';

/** Longer than the worker's ordinary backoff ever gets, several times over. */
const QUIET_MS = 25_000;

/** Leaving, removal, promotion, and two with one identity. */
export function membershipItems(bed: () => NodeBed): void {
  test(item(9), async () => {
    await using part = partOf(bed());
    const { common, worker } = part;
    const { manager } = common;
    const node = await worker('w9');
    const oldId = await nodeIdOf(node);
    const service = await sleepers(manager, 'web9', ...on(node));
    const [container] = await runsOn(node.host, service);
    expect(await node.run(['leave'])).toContain('left the swarm');
    expect(await containersOf(node.host, service)).toEqual([]);
    expect((await statusOf(node)).cluster.state).toBe('not-joined');

    await node.join(common);
    const newId = await nodeIdOf(node);
    expect(newId).not.toBe(oldId);
    await listedAs(manager, newId, 'ready');
    await listedAs(manager, oldId, 'down');
    const [next] = await runsOn(node.host, service);
    expect(next).not.toBe(container);
  });

  test(item(10), async () => {
    await using part = partOf(bed());
    const { common, worker } = part;
    const { manager } = common;
    const node = await worker('w10');
    const nodeId = await nodeIdOf(node);
    const service = await sleepers(manager, 'web10', ...on(node));
    await runsOn(node.host, service);
    await manager.docker('node', 'rm', '--force', nodeId);

    await statusWith(node, 'is removed', ({ cluster }) => cluster.state === 'removed');
    const screen = await node.exec(['status']);
    expect(screen).toMatchObject({ exitCode: 3, stdout: expect.stringMatching(/removed from the swarm/) });
    const attempts = sessionAttempts(node.log());
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS)); // what is looked at is how little happens
    expect(sessionAttempts(node.log()) - attempts).toBeLessThanOrEqual(1);
    expect(await nodeIdsOf(manager, node)).toEqual([]);

    await node.restart();
    await statusWith(node, 'is removed after a restart', ({ cluster }) => cluster.state === 'removed');
    await node.run(['leave']);
    expect(await containersOf(node.host, service)).toEqual([]);
    await node.join(common);
    expect(await nodeIdOf(node)).not.toBe(nodeId);
  });

  test(item(52), async () => {
    await using part = partOf(bed());
    const { agent, worker } = part;
    const [node, copy] = await Promise.all([worker('w52'), agent('v52')]);
    const nodeId = await nodeIdOf(node);
    await Promise.all([node.stop(), copy.stop()]);
    cpSync(node.host.path(node.stateDir), copy.host.path(copy.stateDir), { recursive: true, filter: isNoSocket });
    await Promise.all([node.start(), copy.start()]);
    const twins = [node, copy];
    await eventually(
      'one of them says that there are two',
      async () => {
        const states = await Promise.all(twins.map(statusOf));
        return states.some((status) => problemCodes(status).includes('duplicate-identity'));
      },
      { ...PATIENCE, timeoutMs: 90_000 },
    );
    expect(twins.map(({ running }) => running)).toEqual([true, true]);
    await copy.stop();
    await ready(node);
    await nextBeat(node);
    await statusWith(
      node,
      'has its identity to itself',
      (status) => !problemCodes(status).includes('duplicate-identity'),
    );
    expect(await nodeIdOf(node)).toBe(nodeId);
  });

  test('promoted, it says so and goes on as a worker', async () => {
    await using part = partOf(bed());
    const { common, worker } = part;
    const { manager } = common;
    const node = await worker('wp');
    const nodeId = await nodeIdOf(node);
    const service = await sleepers(manager, 'webp', ...on(node));
    const [container] = await runsOn(node.host, service);
    const began = Date.now();
    await manager.docker('node', 'promote', nodeId);
    await statusWith(node, 'is promoted', (status) => problemCodes(status).includes('promoted'));
    expect(node.log()).toContain('netd is a worker only');
    expect((await node.exec(['status'])).stdout).toContain('promoted to manager');
    await nextBeat(node);
    await running(manager, service);
    expect(await containersOf(node.host, service)).toEqual([container]);
    expect((await inspectNode(manager, nodeId)).Status.State).toBe('ready');
    expect(await statesSince(manager, nodeId, began)).toEqual([]);

    // What its status says to do about it, and why not the obvious thing.
    await expect(manager.docker('node', 'demote', nodeId)).rejects.toThrow("can't find manager in raft memberlist");
    await node.run(['leave']);
    await manager.docker('node', 'rm', '--force', nodeId);
    await node.join(common);
    const next = await inspectNode(manager, await nodeIdOf(node));
    expect(next).toMatchObject({ Spec: { Role: 'worker' }, Status: { State: 'ready' } });
  });
}

function sessionAttempts(log: string): number {
  return log.split('\n').filter((line) => line.includes('"session ended"')).length;
}

/** The lock of a running agent cannot be copied. */
function isNoSocket(path: string): boolean {
  return !lstatSync(path).isSocket();
}
