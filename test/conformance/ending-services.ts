import { BUSYBOX } from '#test/hosts/image.ts';
import { isObject, type Json } from './task-container.ts';
import { SUBPATH_VOLUME } from './two-workers.ts';

/** A service whose tasks end by themselves, most of them badly. */
export interface EndingService {
  readonly name: string;
  /** Members of TaskTemplate.ContainerSpec (Docker Engine API, ServiceCreate). */
  readonly container?: { readonly [key: string]: Json };
  readonly template?: { readonly [key: string]: Json };
  readonly ports?: readonly Json[];
  /** The first engine that knows it. */
  readonly since?: '28.5.2';
  /** netd knows before it asks the engine, and says more; Docker's text is part of it. */
  readonly wordier?: true;
}

/** Network that comes from a configuration only the manager has. */
export const NOWHERE = 'nowhere';
/** Port of each worker that is in use already. */
export const TAKEN_PORT = 8081;

const SECOND = 1_000_000_000;
const shell = (script: string) => ({ Command: ['sh', '-c', script] });
const mount = (...mounts: readonly Json[]) => ({ Mounts: mounts });

/** The manager tries templates out itself, on a node whose system is called `os`: these are wrong on a real one only. */
const onANode = (template: string) => `{{if ne .Node.Platform.OS "os"}}${template}{{end}}`;

/** @param configId a config, for references that are wrong otherwise */
export function endingServices(configId: string): readonly EndingService[] {
  const badOwner = { Name: 'x', UID: 'nobody', GID: '0', Mode: 0o400 };
  return [
    { name: 'no-image', container: { Image: 'netd/not-there:1' } },
    { name: 'relative-target', container: mount({ Type: 'tmpfs', Target: 'x' }) },
    { name: 'relative-source', container: mount({ Type: 'bind', Source: 'x', Target: '/x' }) },
    { name: 'absolute-volume', container: mount({ Type: 'volume', Source: '/x', Target: '/x' }) },
    { name: 'tmpfs-source', container: mount({ Type: 'tmpfs', Source: 'x', Target: '/x' }) },
    { name: 'no-bind-source', container: mount({ Type: 'bind', Source: '/not/there', Target: '/x' }) },
    { name: 'mount-on-root', container: mount({ Type: 'tmpfs', Target: '/' }) },
    { name: 'mount-twice', container: mount({ Type: 'tmpfs', Target: '/x' }, { Type: 'tmpfs', Target: '/x/' }) },
    { name: 'named-pipe', wordier: true, container: mount({ Type: 'npipe', Source: '\\\\.\\pipe\\x', Target: '/x' }) },
    { name: 'no-label', container: { Env: [`A=${onANode('{{.Service.Labels.absent}}')}`] } },
    { name: 'no-index', container: { Hostname: onANode('{{index .Service.Name 99}}') } },
    {
      name: 'bad-volume-label',
      container: mount({
        Type: 'volume',
        Source: 'v',
        Target: '/v',
        VolumeOptions: { Labels: { l: onANode('{{slice "x" 5}}') } },
      }),
    },
    { name: 'no-user', container: { User: 'stranger' } },
    { name: 'no-group', container: { Groups: ['strangers'] } },
    { name: 'no-command', container: { Command: ['/not/there'] } },
    { name: 'bad-owner', container: { Configs: [{ ConfigID: configId, ConfigName: 'conf', File: badOwner }] } },
    { name: 'bad-capability', container: { CapabilityAdd: ['CAP_NOTHING'] } },
    { name: 'bad-sysctl', container: { Sysctls: { 'kernel.nothing': '1' } } },
    { name: 'credential-spec', wordier: true, container: { Privileges: { CredentialSpec: { File: 'spec.json' } } } },
    { name: 'no-network-config', template: { Networks: [{ Target: NOWHERE }] } },
    {
      name: 'taken-port',
      ports: [{ Protocol: 'tcp', TargetPort: 80, PublishedPort: TAKEN_PORT, PublishMode: 'host' }],
    },
    { name: 'exit-0', container: shell('exit 0') },
    { name: 'exit-3', container: shell('sleep 1; exit 3') },
    { name: 'killed', container: { ...shell('kill -9 $$'), Init: true } },
    {
      name: 'unhealthy',
      container: {
        ...shell('trap "exit 7" TERM; while :; do sleep 0.1; done'),
        Healthcheck: { Test: ['CMD', 'false'], Interval: SECOND / 2, Timeout: SECOND, Retries: 1 },
      },
    },
    {
      name: 'bad-tmpfs-option',
      since: '28.5.2',
      container: mount({ Type: 'tmpfs', Target: '/x', TmpfsOptions: { Options: [['nothing']] } }),
    },
    {
      name: 'no-subpath',
      since: '28.5.2',
      container: mount({
        Type: 'volume',
        Source: SUBPATH_VOLUME,
        Target: '/x',
        VolumeOptions: { Subpath: 'not/there' },
      }),
    },
    {
      name: 'bad-seccomp',
      since: '28.5.2',
      container: { Privileges: { Seccomp: { Mode: 'custom', Profile: btoa('{') } } },
    },
  ];
}

/** The body of POST /services/create: one task on every active node, never restarted. */
export function endingBody({ name, container, template, ports }: EndingService): Json {
  return {
    Name: name,
    Mode: { Global: {} },
    TaskTemplate: {
      RestartPolicy: { Condition: 'none' },
      ContainerSpec: { Image: BUSYBOX, Command: ['sleep', '1000'], ...container },
      ...template,
    },
    ...(ports && { EndpointSpec: { Mode: 'vip', Ports: ports } }),
  };
}

/** What users see of a task that ended. */
export interface Ending {
  readonly state: string;
  readonly err: string;
  /** Of a container that ran. */
  readonly exitCode: number | undefined;
}

const ENDED: ReadonlySet<unknown> = new Set(['complete', 'failed', 'rejected', 'shutdown']);

/** How a task of the manager's API ended, without what differs between two tasks; `undefined` while it has not. */
export function endingOf(task: Json | undefined): Ending | undefined {
  const status = isObject(task) ? task.Status : undefined;
  if (!isObject(task) || !isObject(status) || !ENDED.has(status.State)) return undefined;
  const err = String(status.Err ?? '')
    .replaceAll(String(task.ID), 'TASK')
    .replaceAll(String(task.NodeID), 'NODE')
    .replaceAll(/\b[0-9a-f]{64}\b/g, 'ENDPOINT');
  const ran = !err.startsWith('starting container failed') && status.State !== 'rejected';
  const container = status.ContainerStatus;
  return {
    state: String(status.State),
    err,
    exitCode: ran && isObject(container) ? Number(container.ExitCode ?? 0) : undefined,
  };
}
