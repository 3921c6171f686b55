import { create } from '@bufbuild/protobuf';
import { beforeEach, describe, expect, it } from 'vitest';
import { NetdError } from '#base/errors.ts';
import { silentLogger } from '#base/log.ts';
import type { DesiredNetworks } from '#netd/desired.ts';
import { type TaskRecord, TaskRecordSchema } from '#proto/gen/state/task_record_pb.js';
import { type Node, NodeSchema, TaskState } from '#proto/gen/swarmkit/types_pb.js';
import { VirtualClock } from '#test/fake-manager/virtual-clock.ts';
import { createTaskNetworks, DRAIN_MS, type TaskNetworks } from './task-networks.ts';

const network = {
  id: 'net1',
  spec: { annotations: { name: 'app' } },
  driverState: { name: 'overlay', options: { 'com.docker.network.driver.overlay.vxlanid_list': '4097' } },
  ipam: { configs: [{ subnet: '10.0.1.0/24', gateway: '10.0.1.1' }] },
};
const record = (state: TaskState): TaskRecord =>
  create(TaskRecordSchema, {
    task: {
      id: 'task1',
      spec: { runtime: { case: 'container', value: { hostname: '{{.Node.Hostname}}-web' } } },
      networks: [{ network, addresses: ['10.0.1.5/24'] }],
    },
    status: { state },
  });
const attached = create(NodeSchema, { attachments: [{ network, addresses: ['10.0.1.9/24'] }] });

let clock: VirtualClock;
let node: Node | undefined;
let tasks: readonly TaskRecord[];
let dataPath: { address: string; port: number } | NetdError | undefined;
let problem: string | undefined;
let wishes: DesiredNetworks[];
let ended: number;
let networks: TaskNetworks;

beforeEach(() => {
  clock = new VirtualClock();
  node = attached;
  tasks = [record(TaskState.RUNNING)];
  dataPath = { address: '192.0.2.1', port: 4789 };
  problem = undefined;
  wishes = [];
  ended = 0;
  networks = createTaskNetworks({
    setDesired: (desired) => wishes.push(desired),
    onNetworkEnd: () => ended++,
    problem: () => problem,
    node: () => node,
    tasks: () => tasks,
    dataPath: () => dataPath,
    engineDns: () => ({ servers: [], options: [] }),
    nodeFacts: () => ({ id: 'n1', hostname: 'host', platform: { architecture: 'x86_64', os: 'linux' } }),
    clock,
    log: silentLogger,
  });
});

const marked = async () => {
  networks.mark();
  await new Promise(setImmediate);
};
const bindings = () => wishes.at(-1)?.attachments.map(({ binding }) => binding.state);

describe('the networks of tasks', () => {
  it.each([
    ['the node object', () => (node = undefined)],
    ['the data path', () => (dataPath = undefined)],
    ['a data path that can be used', () => (dataPath = new NetdError('address-not-local', 'eth9 is gone'))],
  ])('are not wished before there is %s: what an earlier run left stays', async (_, take) => {
    take();
    await marked();
    expect(wishes).toEqual([]);
  });

  it('are wished once for many marks', async () => {
    networks.mark();
    networks.mark();
    await marked();
    expect(wishes).toHaveLength(1);
  });

  it('have the host name of the task with its templates filled in', async () => {
    await marked();
    expect(wishes[0]?.attachments[0]?.binding.row.taskAliases).toEqual(['host-web']);
  });

  it('end with the last task, and that is told', async () => {
    await marked();
    ended = 0;
    tasks = [record(TaskState.SHUTDOWN)];
    await marked();
    expect(wishes.at(-1)?.networks).toEqual([]);
    expect(ended).toBe(1);
  });
});

describe('a task that is stopped', () => {
  it('is out of service at once, and stopped two seconds later', async () => {
    await marked();
    let isDrained = false;
    const drained = networks.drain('task1').then(() => {
      isDrained = true;
    });
    expect(bindings()).toEqual(['draining']);
    await clock.advance(DRAIN_MS - 1);
    expect(isDrained).toBe(false);
    await clock.advance(1);
    await drained;
    await networks.drain('task1'); // the stop is tried again: the time has passed already
    expect(bindings()).toEqual(['draining']);
  });

  it.each([
    ['nobody knows of yet', TaskState.STARTING],
    ['has ended', TaskState.COMPLETE],
  ])('is stopped at once if it %s', async (_, state) => {
    tasks = [record(state)];
    await marked();
    await networks.drain('task1');
    expect(bindings()).not.toContain('draining');
  });
});

describe('a task that starts', () => {
  const ready = (told: string[] = []) => {
    const { task } = record(TaskState.PREPARING);
    if (task === undefined) throw new Error('unreachable');
    return networks.ready(task, (what) => told.push(what), new AbortController().signal);
  };

  it('waits for what its networks lack, and says for what', async () => {
    node = undefined;
    const told: string[] = [];
    const passed = ready(told);
    const step = async (change: () => void) => {
      change();
      await marked();
      await new Promise(setImmediate);
    };
    await step(() => (node = create(NodeSchema, {})));
    await step(() => {
      node = attached;
      problem = 'the engine cannot call netd';
    });
    await step(() => (problem = undefined));
    await passed;
    expect(told).toEqual([
      'waiting for the managers to let this node into the network of the swarm',
      'waiting for an address of this node on network app',
      'waiting for network app: the engine cannot call netd',
    ]);
  });

  it.each([
    ['no address of the node', () => (node = create(NodeSchema, {})), /^node is missing network attachments/],
    ['a problem that stays', () => (problem = 'no room'), 'network app cannot be used: no room'],
    ['no data path', () => (dataPath = new NetdError('x', 'eth9 is gone')), /cannot be used: eth9 is gone/],
  ])('is refused after half a minute with %s', async (_, take, words) => {
    take();
    await marked();
    const passed = ready();
    passed.catch(() => {});
    await clock.advance(31_000);
    await expect(passed).rejects.toThrow(words);
  });

  it('needs nothing without overlay networks', async () => {
    node = undefined;
    const { task } = create(TaskRecordSchema, { task: { id: 'task2' } });
    if (task === undefined) throw new Error('unreachable');
    await networks.ready(task, () => {}, new AbortController().signal);
  });
});
