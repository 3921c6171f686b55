import { create } from '@bufbuild/protobuf';
import {
  ConfigSchema,
  ContainerSpec_Isolation,
  HealthConfigSchema,
  Mount_BindOptions_Propagation,
  Mount_Consistency,
  Mount_Type,
  PortConfig_Protocol,
  PortConfig_PublishMode,
  Privileges_AppArmorOpts_AppArmorMode,
  Privileges_SeccompOpts_SeccompMode,
  SecretSchema,
  type Task,
  TaskSchema,
  TaskState,
} from '#proto/gen/swarmkit/types_pb.js';

const file = (name: string) => ({ case: 'file' as const, value: { name, uid: '33', gid: '44', mode: 0o440 } });

/** A task with every field set that a task netd can run may have, so that a test can look at each of them. */
export const fullTask: Task = create(TaskSchema, {
  id: 'task1',
  meta: { version: { index: 1n }, createdAt: { seconds: 1n }, updatedAt: { seconds: 1n } },
  serviceId: 'service1',
  slot: 2n,
  nodeId: 'node1',
  annotations: { labels: { fromTask: 'yes' }, indices: [{ key: 'k', val: 'v' }] },
  serviceAnnotations: { name: 'web', labels: { color: 'blue' } },
  status: { state: TaskState.ASSIGNED, message: 'assigned' },
  desiredState: TaskState.RUNNING,
  specVersion: { index: 3n },
  jobIteration: { index: 4n },
  volumes: [{ id: 'volume1', source: 'group:a', target: '/csi' }],
  logDriver: { name: 'json-file', options: { 'max-size': '1m' } },
  assignedGenericResources: [
    { resource: { case: 'namedResourceSpec', value: { kind: 'gpu', value: 'UUID1' } } },
    { resource: { case: 'discreteResourceSpec', value: { kind: 'ssd', value: 2n } } },
  ],
  networks: [
    {
      network: {
        id: 'net1',
        meta: { version: { index: 1n } },
        spec: {
          annotations: { name: 'fabric', labels: { stack: 'shop' } },
          driverConfig: { name: 'asked-for', options: { zone: 'west' } },
          ipv6Enabled: true,
          internal: true,
          attachable: true,
          ipam: { configs: [{ subnet: '10.9.0.0/16' }] },
        },
        driverState: { name: 'vendor/fabric:1', options: { zone: 'east' } },
        ipam: {
          driver: { name: 'default', options: { serial: 'true' } },
          configs: [{ subnet: '10.5.0.0/16', range: '10.5.1.0/24', gateway: '10.5.0.1', reserved: { a: '10.5.0.9' } }],
        },
        extra: { typeUrl: 'x', value: new Uint8Array([1]) },
      },
      addresses: ['10.5.1.7/16'],
      aliases: ['www'],
      driverAttachmentOpts: { qos: 'gold' },
    },
    {
      network: {
        id: 'net2',
        spec: { annotations: { name: 'lan' }, configFrom: { case: 'network', value: 'lan-config' } },
        driverState: { name: 'macvlan' },
      },
    },
  ],
  endpoint: {
    spec: { ports: [{ targetPort: 80 }] },
    virtualIps: [{ networkId: 'net1', addr: '10.5.0.2/16' }],
    ports: [
      {
        name: 'http',
        protocol: PortConfig_Protocol.UDP,
        targetPort: 80,
        publishedPort: 8080,
        publishMode: PortConfig_PublishMode.HOST,
      },
    ],
  },
  spec: {
    restart: { condition: 1, delay: { seconds: 1n }, maxAttempts: 2n, window: { seconds: 2n } },
    placement: { constraints: ['node.role==worker'], maxReplicas: 1n },
    logDriver: { name: 'json-file' },
    networks: [{ target: 'net1', aliases: ['www'] }],
    forceUpdate: 1n,
    resourceReferences: [{ resourceId: 'secret1', resourceType: 1 }],
    resources: {
      limits: {
        nanoCpus: 500_000_000n,
        memoryBytes: 1n << 28n,
        generic: [{ resource: { case: 'discreteResourceSpec', value: { kind: 'ssd', value: 2n } } }],
      },
      reservations: { nanoCpus: 1n, memoryBytes: 1n },
      swapBytes: 1n << 27n,
      memorySwappiness: 10n,
    },
    runtime: {
      case: 'container',
      value: {
        image: 'registry.example/app:1',
        labels: { fromSpec: 'yes' },
        command: ['/bin/app'],
        args: ['--flag'],
        env: ['COLOR=red'],
        dir: '/srv',
        user: 'app',
        mounts: [
          {
            type: Mount_Type.BIND,
            source: '/data',
            target: '/data',
            readonly: true,
            consistency: Mount_Consistency.CACHED,
            bindOptions: {
              propagation: Mount_BindOptions_Propagation.RSLAVE,
              nonrecursive: true,
              createmountpoint: true,
              readonlynonrecursive: true,
              readonlyforcerecursive: true,
            },
          },
          {
            type: Mount_Type.VOLUME,
            source: 'vol',
            target: '/vol',
            volumeOptions: {
              nocopy: true,
              labels: { l: '1' },
              subpath: 'sub',
              driverConfig: { name: 'nfs', options: { o: 'addr=1' } },
            },
          },
          {
            type: Mount_Type.TMPFS,
            target: '/scratch',
            tmpfsOptions: { sizeBytes: 1n << 20n, mode: 0o1777, options: '[["noexec"]]' },
          },
        ],
        stopGracePeriod: { seconds: 7n },
        pullOptions: { registryAuth: Buffer.from('{"username":"u"}').toString('base64url') },
        groups: ['audio'],
        secrets: [{ secretId: 'secret1', secretName: 'password', target: file('password') }],
        tty: true,
        hostname: 'box',
        dnsConfig: { nameservers: ['1.1.1.1'], search: ['example'], options: ['ndots:2'] },
        healthcheck: create(HealthConfigSchema, {
          test: ['CMD', 'true'],
          interval: { seconds: 1n },
          timeout: { seconds: 2n },
          retries: 3,
          startPeriod: { seconds: 4n },
          startInterval: { seconds: 5n },
        }),
        hosts: ['10.0.0.1 db'],
        openStdin: true,
        readOnly: true,
        stopSignal: 'SIGQUIT',
        configs: [
          { configId: 'config1', configName: 'conf', target: file('/etc/app.conf') },
          { configId: 'config2', configName: 'runtime', target: { case: 'runtime', value: {} } },
        ],
        privileges: {
          selinuxContext: { disable: true, user: 'u', role: 'r', type: 't', level: 'l' },
          seccomp: { mode: Privileges_SeccompOpts_SeccompMode.CUSTOM, profile: Buffer.from('{}') },
          apparmor: { mode: Privileges_AppArmorOpts_AppArmorMode.DISABLED },
          noNewPrivileges: true,
          credentialSpec: {},
        },
        init: true,
        isolation: ContainerSpec_Isolation.DEFAULT,
        pidsLimit: 100n,
        sysctls: { 'net.core.somaxconn': '1024' },
        capabilityAdd: ['NET_ADMIN'],
        capabilityDrop: ['CHOWN'],
        ulimits: [{ name: 'nofile', soft: 1024n, hard: 2048n }],
        oomScoreAdj: 5n,
      },
    },
  },
});

export const fullSecret = create(SecretSchema, {
  id: 'secret1',
  meta: { version: { index: 1n } },
  spec: { annotations: { name: 'password' }, data: Buffer.from('hunter2'), driver: { name: 'vault' } },
  internal: true,
});

export const fullConfig = create(ConfigSchema, {
  id: 'config1',
  meta: { version: { index: 1n } },
  spec: { annotations: { name: 'conf' }, data: Buffer.from('listen 80'), templating: { name: 'golang' } },
});
