import { BUSYBOX } from '#test/hosts/image.ts';
import type { Json } from './task-container.ts';
import { LAN, SHARED_MOUNT, SUBPATH_VOLUME } from './two-workers.ts';

/** A service whose container shall look the same on a netd worker as on a Docker worker. */
export interface MappingService {
  readonly name: string;
  /** Members of TaskTemplate.ContainerSpec besides image and command (Docker Engine API, ServiceCreate). */
  readonly container?: { readonly [key: string]: Json };
  /** Other members of TaskTemplate. */
  readonly template?: { readonly [key: string]: Json };
  readonly ports?: readonly Json[];
  /** The first engine that knows all of it. */
  readonly since?: '28.5.2';
}

/** Ids that exist in the swarm only after it was made. */
export interface MappingIds {
  readonly secret: string;
  readonly config: string;
  readonly templateConfig: string;
}

const SECOND = 1_000_000_000;
const file = (Name: string, Mode = 0o440) => ({ Name, UID: '1000', GID: '1001', Mode });

/** One service for each part of the mapping (spec swarmkit-worker §4.9, §4.10). */
export function mappingServices(ids: MappingIds): readonly MappingService[] {
  return [
    { name: 'plain' },
    { name: 'arguments-alone', container: { Command: [], Args: ['sleep', '1000'] } },
    {
      name: 'process',
      container: {
        Command: ['/bin/sh', '-c'],
        Args: ['sleep 1000'],
        Env: ['A=1', 'EMPTY=', 'BARE', 'NODE={{.Node.ID}}', 'SLOT={{.Task.Slot}}', 'NAME={{.Task.Name}}'],
        Dir: '/tmp',
        User: 'www:www',
        Groups: ['1001', '1002'],
        TTY: true,
        OpenStdin: true,
        Hostname: 'box-{{.Service.Name}}',
        StopSignal: 'SIGINT',
        StopGracePeriod: 3 * SECOND,
        Init: true,
        ReadOnly: true,
        Labels: { own: 'label', 'com.docker.swarm.task.id': 'overruled', 'com.docker.stack.namespace': 'shop' },
      },
    },
    { name: 'no-init', container: { Init: false } },
    {
      name: 'limits',
      container: {
        PidsLimit: 50,
        Ulimits: [{ Name: 'nofile', Soft: 512, Hard: 1024 }],
        Sysctls: { 'net.ipv4.ip_unprivileged_port_start': '80' },
        CapabilityAdd: ['CAP_NET_ADMIN'],
        CapabilityDrop: ['CAP_CHOWN', 'CAP_KILL'],
      },
      template: {
        Resources: {
          Limits: { NanoCPUs: 500_000_000, MemoryBytes: 64 << 20 },
          Reservations: { NanoCPUs: 1_000_000, MemoryBytes: 8 << 20 },
        },
        LogDriver: { Name: 'json-file', Options: { 'max-size': '1m', tag: '{{.Name}}' } },
      },
    },
    {
      name: 'names',
      container: {
        Hosts: ['10.1.2.3 db alias', '::1 six'],
        DNSConfig: { Nameservers: ['10.9.9.9'], Search: ['example.org'], Options: ['ndots:2'] },
      },
    },
    {
      name: 'health',
      container: {
        Healthcheck: {
          Test: ['CMD', 'true'],
          Interval: SECOND / 2,
          Timeout: SECOND,
          Retries: 4,
          StartPeriod: 2 * SECOND,
        },
      },
    },
    { name: 'no-health', container: { Healthcheck: { Test: ['NONE'] } } },
    {
      name: 'mounts',
      container: {
        Mounts: [
          { Type: 'bind', Source: '/srv/data', Target: '/data', ReadOnly: true },
          {
            Type: 'bind',
            Source: SHARED_MOUNT,
            Target: '/s',
            BindOptions: { Propagation: 'rslave', NonRecursive: true },
          },
          { Type: 'volume', Source: 'named', Target: '/named', VolumeOptions: { NoCopy: true, Labels: { l: '1' } } },
          {
            Type: 'volume',
            Source: 'driven-{{.Service.Name}}',
            Target: '/driven',
            ReadOnly: true,
            VolumeOptions: {
              Labels: { service: '{{.Service.Name}}' },
              DriverConfig: { Name: 'local', Options: { type: 'tmpfs', device: 'tmpfs', o: 'size=1m' } },
            },
          },
          { Type: 'volume', Target: '/anonymous' },
          { Type: 'tmpfs', Target: '/scratch', TmpfsOptions: { SizeBytes: 1 << 20, Mode: 0o1770 } },
          { Type: 'tmpfs', Target: '/scratch-ro', ReadOnly: true },
        ],
      },
    },
    {
      name: 'payload',
      container: {
        User: 'www:www',
        Secrets: [
          { SecretID: ids.secret, SecretName: 'password', File: file('password') },
          { SecretID: ids.secret, SecretName: 'password', File: file('/etc/again', 0o400) },
        ],
        Configs: [
          { ConfigID: ids.config, ConfigName: 'conf', File: file('/etc/app/app.conf', 0o444) },
          { ConfigID: ids.templateConfig, ConfigName: 'filled', File: file('filled') },
        ],
        Env: ['COLOR=blue'],
      },
    },
    {
      name: 'host-ports',
      ports: [
        { Protocol: 'tcp', TargetPort: 80, PublishedPort: 8080, PublishMode: 'host' },
        { Protocol: 'udp', TargetPort: 53, PublishMode: 'host' },
      ],
    },
    { name: 'on-bridge', template: { Networks: [{ Target: 'bridge' }] } },
    { name: 'on-host', template: { Networks: [{ Target: 'host' }] } },
    { name: 'on-lan', template: { Networks: [{ Target: LAN }] } },
    { name: 'on-lan-and-bridge', template: { Networks: [{ Target: LAN }, { Target: 'bridge' }] } },
    {
      name: 'selinux-label',
      container: { Privileges: { SELinuxContext: { Disable: true } } },
    },
    {
      name: 'confinement',
      since: '28.5.2',
      container: {
        OomScoreAdj: 100,
        Privileges: {
          Seccomp: { Mode: 'custom', Profile: btoa('{"defaultAction":"SCMP_ACT_ALLOW"}') },
          AppArmor: { Mode: 'disabled' },
          NoNewPrivileges: true,
        },
      },
    },
    {
      name: 'newer-options',
      since: '28.5.2',
      container: {
        Privileges: { Seccomp: { Mode: 'unconfined' } },
        Healthcheck: { Test: ['CMD', 'true'], Interval: SECOND, StartPeriod: SECOND, StartInterval: SECOND / 5 },
        Mounts: [
          { Type: 'bind', Source: '/srv', Target: '/a', ReadOnly: true, BindOptions: { ReadOnlyNonRecursive: true } },
          {
            Type: 'bind',
            Source: '/srv/data',
            Target: '/b',
            ReadOnly: true,
            BindOptions: { Propagation: 'rprivate', CreateMountpoint: true },
          },
          { Type: 'volume', Source: SUBPATH_VOLUME, Target: '/c', VolumeOptions: { Subpath: 'inner' } },
          { Type: 'tmpfs', Target: '/d', TmpfsOptions: { Options: [['exec']] } },
        ],
      },
    },
  ];
}

/** The body of POST /services/create: one task on every active node. */
export function serviceBody(service: MappingService): Json {
  const command = { Command: ['sleep', '1000'] };
  return {
    Name: service.name,
    Labels: { 'service-label': 'not for containers' },
    Mode: { Global: {} },
    TaskTemplate: {
      ContainerSpec: { Image: BUSYBOX, ...command, ...service.container },
      ...service.template,
    },
    ...(service.ports && { EndpointSpec: { Mode: 'vip', Ports: service.ports } }),
  };
}
