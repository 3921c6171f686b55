import { inspect } from 'node:util';
import { clone, create, type Message, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { type ContainerSpecSchema, TaskSchema } from '#proto/gen/swarmkit/types_pb.js';
import { planContainer } from './container-plan.ts';

type SpecInit = Exclude<MessageInitShape<typeof ContainerSpecSchema>, Message>;
type TaskInit = Exclude<MessageInitShape<typeof TaskSchema>, Message>;

const facts = {
  node: { id: 'node1', hostname: 'box', platform: { architecture: 'x86_64', os: 'linux' } },
  payloadDir: '/run/netd/tasks/task1',
};

const task = (spec: SpecInit, rest: TaskInit = {}) =>
  create(TaskSchema, {
    id: 'task1',
    nodeId: 'node1',
    serviceId: 'service1',
    slot: 2n,
    serviceAnnotations: { name: 'web', labels: { tier: 'front' } },
    spec: { runtime: { case: 'container', value: { image: 'app', ...spec } } },
    ...rest,
  });
const plan = (spec: SpecInit, rest?: TaskInit) => planContainer(task(spec, rest), facts);
const file = (name: string) => ({ case: 'file' as const, value: { name, uid: '0', gid: '0', mode: 0o444 } });

describe('the plan of a container', () => {
  it('asks for nothing that the task does not ask for', () => {
    const { spec: _, ...rest } = plan({});
    expect(rest).toEqual({
      name: 'web.2.task1',
      image: 'app:latest',
      pull: { kind: 'always', reference: 'app:latest', auth: undefined, authUnreadable: false },
      volumes: [],
      networks: { create: [], mode: 'default', endpoint: undefined, connect: [], overlays: [] },
      create: {
        Image: 'app:latest',
        Labels: {
          'com.docker.swarm.task': '',
          'com.docker.swarm.task.id': 'task1',
          'com.docker.swarm.task.name': 'web.2.task1',
          'com.docker.swarm.node.id': 'node1',
          'com.docker.swarm.service.id': 'service1',
          'com.docker.swarm.service.name': 'web',
        },
        HostConfig: { NetworkMode: 'default', Isolation: 'default' },
      },
      payloadFiles: [],
      bindSources: [],
      stopTimeoutSec: undefined,
      hostPorts: [],
    });
  });

  it.each<[string, SpecInit, object]>([
    ['a command replaces entrypoint and command', { command: ['c'] }, { Entrypoint: ['c'] }],
    ['arguments go with it', { command: ['c'], args: ['a'] }, { Entrypoint: ['c'], Cmd: ['a'] }],
    ["arguments alone go to the image's entrypoint", { args: ['a'] }, { Cmd: ['a'] }],
    [
      'one to one',
      { user: 'u:g', dir: '/d', tty: true, openStdin: true },
      { User: 'u:g', WorkingDir: '/d', Tty: true, OpenStdin: true },
    ],
    ['no init, said', { init: false }, { HostConfig: { NetworkMode: 'default', Isolation: 'default', Init: false } }],
    [
      'the rest of the host configuration',
      {
        groups: ['audio'],
        capabilityAdd: ['NET_ADMIN'],
        capabilityDrop: ['CHOWN'],
        sysctls: { a: '1' },
        readOnly: true,
        oomScoreAdj: -5n,
        hosts: ['10.0.0.1 db'],
      },
      {
        HostConfig: {
          NetworkMode: 'default',
          Isolation: 'default',
          GroupAdd: ['audio'],
          CapAdd: ['NET_ADMIN'],
          CapDrop: ['CHOWN'],
          Sysctls: { a: '1' },
          ReadonlyRootfs: true,
          OomScoreAdj: -5,
          ExtraHosts: ['db:10.0.0.1'],
        },
      },
    ],
  ])('%s', (_, spec, expected) => {
    const { Image: _image, Labels: _labels, ...body } = plan(spec).create;
    expect(body).toEqual({ HostConfig: { NetworkMode: 'default', Isolation: 'default' }, ...expected });
  });

  it('puts generic resources after the environment', () => {
    const resource = { case: 'discreteResourceSpec' as const, value: { kind: 'gpu', value: 1n } };
    expect(plan({ env: ['A=1'] }, { assignedGenericResources: [{ resource }] }).create.Env).toEqual([
      'A=1',
      'DOCKER_RESOURCE_GPU=1',
    ]);
  });

  it("uses the task's log driver, not the spec's", () => {
    const { create: body } = plan({}, { logDriver: { name: 'syslog', options: { tag: 'x' } } });
    expect(body.HostConfig.LogConfig).toEqual({ Type: 'syslog', Config: { tag: 'x' } });
  });

  it('exposes and binds host-mode ports', () => {
    const { create: body, hostPorts } = plan({}, { endpoint: { ports: [{ targetPort: 80, publishMode: 1 }] } });
    expect(body.ExposedPorts).toEqual({ '80/tcp': {} });
    expect(body.HostConfig.PortBindings).toEqual({ '80/tcp': [{}] });
    expect(hostPorts).toEqual([{ protocol: 'tcp', targetPort: 80, publishedPort: 0 }]);
  });

  it('takes whole seconds for the time to stop', () => {
    expect(plan({ stopGracePeriod: { seconds: 2n, nanos: 900_000_000 } }).stopTimeoutSec).toBe(2);
    expect(plan({ stopGracePeriod: {} }).stopTimeoutSec).toBe(0);
  });

  it('mounts secrets and configs from the directory of the task', () => {
    const { create: body, payloadFiles } = plan({
      secrets: [{ secretId: 's1', target: file('password') }],
      configs: [{ configId: 'c1', target: file('/etc/app.conf') }],
    });
    expect(payloadFiles).toEqual(['secret-s1', 'config-c1']);
    expect(body.HostConfig.Mounts?.map(({ Source, Target, ReadOnly }) => [Source, Target, ReadOnly])).toEqual([
      ['/run/netd/tasks/task1/secret-s1', '/run/secrets/password', true],
      ['/run/netd/tasks/task1/config-c1', '/etc/app.conf', true],
    ]);
  });

  it('keeps credentials where they cannot be printed', () => {
    const registryAuth = Buffer.from('{"password":"hunter2"}').toString('base64url');
    const made = plan({ pullOptions: { registryAuth } });
    expect(made.pull).toMatchObject({ auth: expect.anything() });
    expect(inspect(made, { depth: 20, showHidden: true })).not.toContain(registryAuth);
  });

  it('fills in templates', () => {
    const { create: body } = plan({
      hostname: '{{.Node.Hostname}}-{{.Task.Slot}}',
      env: ['TIER={{index .Service.Labels "tier"}}', 'ARCH={{.Node.Platform.Architecture}}'],
      mounts: [{ type: 1, source: 'data-{{.Task.Slot}}', target: '/{{.Service.Name}}' }],
    });
    expect(body).toMatchObject({
      Hostname: 'box-2',
      Env: ['TIER=front', 'ARCH=x86_64'],
      HostConfig: { Mounts: [{ Source: 'data-2', Target: '/web' }] },
    });
  });

  it('is the same each time, and leaves the task as it was', () => {
    const given = task({ env: ['A={{.Task.ID}}'], command: ['c'], mounts: [{ type: 1, source: 'v', target: '/v' }] });
    const before = clone(TaskSchema, given);
    expect(planContainer(given, facts)).toEqual(planContainer(given, facts));
    expect(given).toEqual(before);
  });
});

describe('a task that can never run here', () => {
  it.each<[string, SpecInit, TaskInit, string]>([
    ['no image', { image: '' }, {}, 'dockerexec: image required'],
    ['a bad mount', { mounts: [{ type: 0, source: 'x', target: '/x' }] }, {}, 'invalid bind mount source'],
    [
      'a label that is not there',
      { env: ['A={{.Service.Labels.absent}}'] },
      {},
      'expanding env failed: expanding env "A={{.Service.Labels.absent}}": template: expansion:1:',
    ],
    [
      'a template that is none',
      { hostname: '{{' },
      {},
      'expanding hostname failed: template: expansion:1: unclosed action',
    ],
    [
      'an encrypted overlay',
      {},
      {
        networks: [
          {
            network: {
              spec: { annotations: { name: 'app' } },
              driverState: { name: 'overlay', options: { encrypted: '' } },
            },
          },
        ],
      },
      'encrypted overlay networks are not supported yet: app',
    ],
    [
      'a secret that leads out of its directory',
      { secrets: [{ secretId: '../x', target: file('x') }] },
      {},
      'not an id: "../x"',
    ],
  ])('because of %s', (_, spec, rest, message) => {
    expect(() => plan(spec, rest)).toThrow(
      expect.objectContaining({ code: 'bad-task-spec', message: expect.stringContaining(message) }),
    );
  });
});
