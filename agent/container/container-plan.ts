import { withPayloadMounts } from '#agent/payload/mounts.ts';
import { payloadTargets } from '#agent/payload/targets.ts';
import type { ContainerSpec, Task, TaskSpec } from '#proto/gen/swarmkit/types_pb.js';
import { dnsOptions, extraHosts } from './dns-hosts.ts';
import type { ContainerCreateBody, HostConfigBody, MountBody, VolumeCreateBody } from './engine-bodies.ts';
import { genericResourceEnv } from './env.ts';
import { expandSpec } from './expand-spec.ts';
import { healthcheckBody } from './health.ts';
import { familiarImage, parseImageReference } from './image-reference.ts';
import { containerLabels } from './labels.ts';
import { checkMounts } from './mount-checks.ts';
import { bindSources, mountBodies, volumesToCreate } from './mounts.ts';
import { containerName } from './name.ts';
import { type HostPort, hostPorts, portBindings } from './ports.ts';
import { securityOptions } from './privileges.ts';
import { type PullPlan, planPull } from './pull.ts';
import { containerResources } from './resources.ts';
import { containerSpecOf } from './runtime.ts';
import { specExpander } from './spec-expander.ts';
import { type NetworkPlan, planNetworks } from './task-networks.ts';
import type { NodeFacts } from './template-facts.ts';

export interface PlanFacts {
  readonly node: NodeFacts;
  /** Host directory of this task's secrets and configs, absolute. */
  readonly payloadDir: string;
}

/** Everything the engine is asked for on behalf of one task, decided before the first call. */
export interface ContainerPlan {
  readonly name: string;
  /** The image as users write it. */
  readonly image: string;
  readonly pull: PullPlan;
  /** Volumes to create before the container; one that exists with the same driver is fine. */
  readonly volumes: readonly VolumeCreateBody[];
  readonly networks: NetworkPlan;
  /** Body of the container's creation; its name is not in it. */
  readonly create: ContainerCreateBody;
  /** Names of the files that must be in `payloadDir` before the container is created (content: before it starts). */
  readonly payloadFiles: readonly string[];
  /** Host paths to look at right before the start; missing one: `missingBindSource(path)`. */
  readonly bindSources: readonly string[];
  /** Time between stop signal and kill; `undefined` leaves it to the engine. */
  readonly stopTimeoutSec: number | undefined;
  readonly hostPorts: readonly HostPort[];
  /** The spec with its templates filled in, for payload templates that ask for its environment; no credentials in it. */
  readonly spec: ContainerSpec;
}

/**
 * Turns a task into what the engine has to do (spec swarmkit-worker §4.9, §4.14 to §4.16, §5.4). Called when a task is
 * first seen, also after a restart, and pure: the same task gives the same plan.
 *
 * @throws SpecError when the task can never run here; the text goes into the task's status
 */
export function planContainer(task: Task, facts: PlanFacts): ContainerPlan {
  const { taskSpec, spec: raw } = containerSpecOf(task);
  checkMounts(raw.mounts);
  const spec = expandSpec(raw, specExpander(task, facts.node));
  const pull = planPull(spec);
  delete spec.pullOptions; // ours is a copy; the credentials live on in the pull alone, where they cannot be printed
  const networks = planNetworks(task.networks, task.id);
  const ports = hostPorts(task.endpoint);
  const targets = payloadTargets(spec);
  const image = familiarImage(parseImageReference(spec.image));
  return Object.freeze({
    name: containerName(task),
    image,
    pull,
    volumes: volumesToCreate(spec.mounts),
    networks,
    create: createBody(task, spec, {
      image,
      networks,
      ports,
      hostConfig: hostConfig(task, taskSpec, spec),
      mounts: withPayloadMounts(mountBodies(spec.mounts), targets, facts.payloadDir),
    }),
    payloadFiles: [...new Set(targets.map(({ fileName }) => fileName))],
    bindSources: bindSources(spec.mounts),
    stopTimeoutSec: spec.stopGracePeriod === undefined ? undefined : Number(spec.stopGracePeriod.seconds),
    hostPorts: ports,
    spec,
  });
}

interface BodyParts {
  readonly image: string;
  readonly networks: NetworkPlan;
  readonly ports: readonly HostPort[];
  readonly mounts: readonly MountBody[];
  readonly hostConfig: Omit<HostConfigBody, 'NetworkMode' | 'Isolation' | 'PortBindings' | 'Mounts'>;
}

function createBody(task: Task, spec: ContainerSpec, parts: BodyParts): ContainerCreateBody {
  const bindings = portBindings(parts.ports);
  const { mode, endpoint } = parts.networks;
  const env = [...spec.env, ...genericResourceEnv(task.assignedGenericResources)];
  const healthcheck = healthcheckBody(spec.healthcheck);
  return {
    Image: parts.image,
    Labels: containerLabels(task, spec),
    ...(spec.hostname && { Hostname: spec.hostname }),
    ...(spec.user && { User: spec.user }),
    ...(spec.dir && { WorkingDir: spec.dir }),
    ...(spec.tty && { Tty: true }),
    ...(spec.openStdin && { OpenStdin: true }),
    ...(spec.stopSignal && { StopSignal: spec.stopSignal }),
    ...(env.length > 0 && { Env: env }),
    // With a command the image's own command is out too; with arguments alone they replace the image's.
    ...(spec.command.length > 0 && { Entrypoint: spec.command }),
    ...(spec.args.length > 0 && { Cmd: spec.args }),
    ...(healthcheck && { Healthcheck: healthcheck }),
    ...(parts.ports.length > 0 && {
      ExposedPorts: Object.fromEntries(Object.keys(bindings).map((port) => [port, {}])),
    }),
    HostConfig: {
      NetworkMode: mode,
      // The only one there is on Linux; Docker's worker says so too.
      Isolation: 'default',
      ...parts.hostConfig,
      ...(parts.mounts.length > 0 && { Mounts: parts.mounts }),
      ...(parts.ports.length > 0 && { PortBindings: bindings }),
    },
    ...(endpoint && { NetworkingConfig: { EndpointsConfig: { [mode]: endpoint } } }),
  };
}

function hostConfig(task: Task, taskSpec: TaskSpec, spec: ContainerSpec): BodyParts['hostConfig'] {
  const hosts = extraHosts(spec.hosts);
  const security = securityOptions(spec.privileges);
  return {
    ...containerResources(taskSpec, spec),
    ...dnsOptions(spec.dnsConfig),
    ...(hosts.length > 0 && { ExtraHosts: hosts }),
    ...(security.length > 0 && { SecurityOpt: security }),
    ...(spec.groups.length > 0 && { GroupAdd: spec.groups }),
    ...(spec.capabilityAdd.length > 0 && { CapAdd: spec.capabilityAdd }),
    ...(spec.capabilityDrop.length > 0 && { CapDrop: spec.capabilityDrop }),
    ...(Object.keys(spec.sysctls).length > 0 && { Sysctls: { ...spec.sysctls } }),
    ...(spec.readOnly && { ReadonlyRootfs: true }),
    ...(spec.init !== undefined && { Init: spec.init }),
    ...(spec.oomScoreAdj !== 0n && { OomScoreAdj: Number(spec.oomScoreAdj) }),
    ...(task.logDriver && { LogConfig: { Type: task.logDriver.name, Config: { ...task.logDriver.options } } }),
  };
}
