import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { TaskRecordSchema } from '#proto/gen/state/task_record_pb.js';
import { type NetworkSchema, NodeSchema, TaskState } from '#proto/gen/swarmkit/types_pb.js';
import { desiredNetworks, type NetworkFacts } from './desired-networks.ts';

type NetworkInit = MessageInitShape<typeof NetworkSchema>;

const VNIS = 'com.docker.network.driver.overlay.vxlanid_list';
const app = {
  id: 'net-app',
  spec: { annotations: { name: 'app' }, attachable: true },
  driverState: { name: 'overlay', options: { [VNIS]: '4097' } },
  ipam: { configs: [{ subnet: '10.0.1.0/24', gateway: '10.0.1.1' }] },
} satisfies NetworkInit;
const ingress: NetworkInit = {
  id: 'net-ingress',
  spec: { annotations: { name: 'ingress' }, ingress: true },
  driverState: { name: 'overlay', options: { [VNIS]: '4096' } },
  ipam: { configs: [{ subnet: '10.0.0.0/24', gateway: '10.0.0.1' }] },
};

const CONTAINER_ID = 'c0ffee000000'.padEnd(64, '1');

function webTask(network: NetworkInit = app, state: TaskState = TaskState.RUNNING) {
  return {
    task: {
      id: 'task1',
      serviceId: 'svc1',
      slot: 2n,
      serviceAnnotations: { name: 'web' },
      spec: { runtime: { case: 'container' as const, value: { image: 'x' } } },
      networks: [{ network, addresses: ['10.0.1.5/24'], aliases: ['www'] }],
      endpoint: { virtualIps: [{ networkId: 'net-app', addr: '10.0.1.2/24' }] },
    },
    status: { state, runtimeStatus: { case: 'container' as const, value: { containerId: CONTAINER_ID } } },
  };
}

function wanted(
  records: readonly MessageInitShape<typeof TaskRecordSchema>[],
  more: Partial<NetworkFacts> = {},
): ReturnType<typeof desiredNetworks> {
  const attachments = [
    { network: ingress, addresses: ['10.0.0.4/24'] },
    { network: app, addresses: ['10.0.1.9/24'] },
  ];
  return desiredNetworks({
    node: create(NodeSchema, { attachments }),
    tasks: records.map((record) => create(TaskRecordSchema, record)),
    draining: new Set(),
    containers: new Map(),
    engineDns: { servers: [], options: [] },
    hostnameOf: () => undefined,
    vtep: '192.0.2.7',
    dataPathPort: 4789,
    ...more,
  });
}

const network = <T extends object>(change: T) => ({ ...app, ...change });
const options = (more: Record<string, string>): NetworkInit =>
  network({ driverState: { name: 'overlay', options: { [VNIS]: '4097', ...more } } });

describe('the networks of a node', () => {
  it('are those of its tasks, with the address of its load balancer there', () => {
    const { desired, refused } = wanted([webTask()]);
    expect(refused.size).toBe(0);
    expect(desired).toMatchObject({ vtep: '192.0.2.7', dataPathPort: 4789 });
    expect(desired.networks).toEqual([
      {
        id: 'net-app',
        name: 'app',
        subnets: [{ subnet: '10.0.1.0/24', gateway: '10.0.1.1', vni: 4097 }],
        underlayMtu: undefined,
        internal: false,
        attachable: true,
        ingress: false,
        encrypted: false,
        loadBalancerAddress: '10.0.1.9/24',
      },
    ]);
  });

  it('are none without tasks: the attachment of the node alone makes none', () => {
    expect(wanted([]).desired.networks).toEqual([]);
    expect(wanted([webTask(app, TaskState.SHUTDOWN)]).desired).toMatchObject({ networks: [], attachments: [] });
  });

  it('are wanted before the task runs, so that they are there when it starts', () => {
    expect(wanted([webTask(app, TaskState.ACCEPTED)]).desired.networks).toHaveLength(1);
  });

  it('come without an address of the load balancer while the manager has given none', () => {
    const { desired } = wanted([webTask()], { node: create(NodeSchema, {}) });
    expect(desired.networks).toMatchObject([{ loadBalancerAddress: undefined }]);
  });

  it('do not include the routing mesh, nor what is no overlay', () => {
    expect(wanted([webTask(ingress)]).desired).toMatchObject({ networks: [], attachments: [] });
    expect(wanted([webTask(network({ driverState: { name: 'bridge' } }))]).desired.networks).toEqual([]);
  });

  it.each<[string, NetworkInit, object]>([
    ['an MTU', options({ 'com.docker.network.driver.mtu': '1400' }), { underlayMtu: 1400 }],
    ['encryption, whatever the value', options({ encrypted: 'false' }), { encrypted: true }],
    ['isolation', network({ spec: { annotations: { name: 'app' }, internal: true } }), { internal: true }],
    [
      'subnets in order, without those of IPv6',
      network({
        driverState: { name: 'overlay', options: { [VNIS]: '4097,4098' } },
        ipam: {
          configs: [
            { subnet: 'fd00::/64', gateway: 'fd00::1' },
            { subnet: '10.0.1.0/24', gateway: '10.0.1.1/24' },
            { subnet: '10.0.2.0/24', gateway: '10.0.2.1' },
          ],
        },
      }),
      {
        subnets: [
          { subnet: '10.0.1.0/24', gateway: '10.0.1.1', vni: 4097 },
          { subnet: '10.0.2.0/24', gateway: '10.0.2.1', vni: 4098 },
        ],
      },
    ],
  ])('may have %s', (_, init, expected) => {
    expect(wanted([webTask(init)]).desired.networks).toMatchObject([expected]);
  });

  it.each<[string, NetworkInit, string]>([
    ['no subnet', network({ ipam: {} }), 'it has no IPv4 subnet'],
    ['no number', options({ [VNIS]: '' }), 'it has 1 subnets, and the manager gave 0 VXLAN numbers'],
    ['a number too large', options({ [VNIS]: '16777216' }), 'its VXLAN number 16777216 is not a number of 24 bits'],
    [
      'an odd MTU',
      options({ 'com.docker.network.driver.mtu': 'big' }),
      'the option com.docker.network.driver.mtu=big is not a number of bytes',
    ],
  ])('are refused with %s', (_, init, why) => {
    const { desired, refused } = wanted([webTask(init)]);
    expect(desired).toMatchObject({ networks: [], attachments: [] });
    expect([...refused]).toEqual([['net-app', why]]);
  });
});

describe('the place of a task on its network', () => {
  it('has the address and the names the manager gave', () => {
    expect(wanted([webTask()], { hostnameOf: () => 'front' }).desired.attachments).toEqual([
      {
        taskId: 'task1',
        networkId: 'net-app',
        address: '10.0.1.5/24',
        mac: undefined,
        binding: {
          state: 'active',
          row: {
            name: 'web.2.task1',
            service: { id: 'svc1', name: 'web' },
            virtualIp: '10.0.1.2',
            ingressPorts: [],
            aliases: ['www'],
            taskAliases: ['c0ffee000000', 'front'],
          },
        },
        resolver: { servers: [], options: [], leadsOutside: false },
      },
    ]);
  });

  it.each([
    ['preparing', TaskState.PREPARING, new Set<string>(), 'pending'],
    ['starting, or not healthy yet', TaskState.STARTING, new Set<string>(), 'pending'],
    ['running', TaskState.RUNNING, new Set<string>(), 'active'],
    ['being stopped', TaskState.RUNNING, new Set(['task1']), 'draining'],
    ['being stopped before it was known', TaskState.STARTING, new Set(['task1']), 'pending'],
  ])('is bound by what the task is: %s', (_, state, draining, expected) => {
    expect(wanted([webTask(app, state)], { draining }).desired.attachments).toMatchObject([
      { binding: { state: expected } },
    ]);
  });

  it('is none without an address', () => {
    const record = webTask();
    const [first] = record.task.networks;
    const task = { ...record.task, networks: [{ ...first, addresses: [] }] };
    expect(wanted([{ ...record, task }]).desired).toMatchObject({ networks: [{ id: 'net-app' }], attachments: [] });
  });

  it('has no virtual address in a service without one', () => {
    const record = webTask();
    const { desired } = wanted([{ ...record, task: { ...record.task, endpoint: {} } }]);
    expect(desired.attachments).toMatchObject([{ binding: { row: { virtualIp: undefined } } }]);
  });

  it('has the hardware address the user has chosen', () => {
    const record = webTask();
    const opts = { 'com.docker.network.endpoint.macaddress': '02:42:AC:00:00:07' };
    const task = {
      ...record.task,
      networks: record.task.networks.map((one) => ({ ...one, driverAttachmentOpts: opts })),
    };
    expect(wanted([{ ...record, task }]).desired.attachments).toMatchObject([{ mac: '02:42:ac:00:00:07' }]);
  });
});

describe('the place of a container that is no task', () => {
  const record = {
    ...webTask(),
    task: {
      id: 'task1',
      spec: { runtime: { case: 'attachment' as const, value: { containerId: 'e1' } } },
      networks: [{ network: app, addresses: ['10.0.1.6/24'] }],
    },
  };

  it('has no row before its name is known', () => {
    expect(wanted([record]).desired.attachments).toMatchObject([
      { address: '10.0.1.6/24', binding: { state: 'pending', row: { service: undefined } } },
    ]);
  });

  it('has its own names and no service', () => {
    const resolver = { servers: ['192.0.2.53'], options: [], leadsOutside: false };
    const container = {
      id: CONTAINER_ID,
      name: 'shell',
      hostname: 'c0ffee000000',
      aliases: ['sh', 'shell'],
      gatewayPriority: 7,
      resolver,
    };
    const { desired } = wanted([record], { containers: new Map([['task1', container]]) });
    expect(desired.attachments).toMatchObject([
      {
        gatewayPriority: 7,
        resolver,
        binding: {
          state: 'active',
          row: { name: 'shell', service: undefined, virtualIp: undefined, taskAliases: ['sh', 'c0ffee000000'] },
        },
      },
    ]);
  });
});

describe('the resolver of a container', () => {
  const engineDns = { servers: ['192.0.2.53'], options: ['ndots:2'] };

  it.each([
    [{}, engineDns],
    [{ nameservers: ['192.0.2.54'] }, { servers: ['192.0.2.54'], options: ['ndots:2'] }],
    [{ options: ['ndots:3'] }, { servers: ['192.0.2.53'], options: ['ndots:3'] }],
  ])('is as the engine has it where its spec says nothing: %j', (dnsConfig, expected) => {
    const record = webTask();
    const runtime = { case: 'container' as const, value: { image: 'x', dnsConfig } };
    const { desired } = wanted([{ ...record, task: { ...record.task, spec: { runtime } } }], { engineDns });
    expect(desired.attachments).toMatchObject([{ resolver: expected }]);
  });
});
