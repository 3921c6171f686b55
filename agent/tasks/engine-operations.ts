import { type ContainerPlan, planContainer } from '#agent/container/container-plan.ts';
import { boundPorts } from '#agent/container/ports.ts';
import { SpecError } from '#agent/container/spec-error.ts';
import type { NodeFacts } from '#agent/container/template-facts.ts';
import type { ContainerInspect, Engine } from '#agent/engine/engine.ts';
import { EngineStuck, EngineUnreachable, isConflict, isNotFound } from '#agent/engine/engine-error.ts';
import { errorText } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import { NETD_DRIVER } from '#netd/driver/options.ts';
import type { Task } from '#proto/gen/swarmkit/types_pb.js';
import { type BindSourceCheck, createBindSourceCheck } from './bind-sources.ts';
import { createEngineNetworks, type EngineNetworks } from './engine-networks.ts';
import { observedContainer } from './observed.ts';
import type { ResolvedTask, TaskOperations } from './operations.ts';
import type { ContainerFacts } from './status.ts';

/** Secrets and configs of tasks as files the engine can mount. */
export interface TaskPayloads {
  /** The directory of one task's files, absolute; need not exist. */
  readonly directory: (taskId: string) => string;
  /** Makes the files, empty: the engine wants to see them when it creates a container. */
  readonly reserve: (task: Task, plan: ContainerPlan) => Promise<void>;
  /** Fills them, once; throws when the manager sent no such secret or config, or its template is wrong. */
  readonly fill: (task: Task, plan: ContainerPlan) => Promise<void>;
  readonly remove: (taskId: string) => Promise<void>;
}

/** Overlay networks as tasks use them; what the engine has of them is only a name. */
export interface Overlays {
  /** Resolves when the task can be put on its overlay networks; throws when it never can. */
  readonly ready: (task: Task, tell: (what: string) => void, signal: AbortSignal) => Promise<void>;
  /** Takes a task that runs out of service before it is stopped. */
  readonly drain: (taskId: string) => Promise<void>;
}

export interface EngineOperationsOptions {
  readonly engine: Engine;
  readonly overlays: Overlays;
  /** Throws EngineUnreachable while the engine has not told them. */
  readonly node: () => NodeFacts;
  readonly payloads: TaskPayloads;
  /** Images are never pulled: what is not on this host is not run. */
  readonly preferOfflineImage: boolean;
  readonly log: Logger;
}

/** Carries out the moves of a task on the engine (spec swarmkit-worker §4.7). Each may be repeated at any moment. */
export function createEngineOperations(options: EngineOperationsOptions): TaskOperations {
  const networks = createEngineNetworks(options.engine, options.log);
  const checkSource = createBindSourceCheck();
  return {
    resolve: (task) => {
      const payloadDir = options.payloads.directory(task.id);
      const plan = planContainer(task, { node: options.node(), payloadDir });
      return engineTask(task, plan, networks, checkSource, options);
    },
  };
}

function engineTask(
  task: Task,
  plan: ContainerPlan,
  networks: EngineNetworks,
  checkSource: BindSourceCheck,
  options: EngineOperationsOptions,
): ResolvedTask {
  const { engine, payloads, overlays } = options;
  return {
    name: plan.name,
    observe: () => observe(engine, plan.name),
    prepare: async (signal, tell) => {
      await overlays.ready(task, tell, signal);
      for (const network of plan.networks.create) await networks.ensure(network);
      for (const volume of plan.volumes) await ensureVolume(engine, volume.Name ?? '', volume.Driver ?? '', volume);
      const image = await pull(task, plan, options, signal);
      signal.throwIfAborted();
      await payloads.reserve(task, plan);
      return createContainer(engine, plan, image === 'absent' ? 'at-once' : 'in-turn');
    },
    start: async (id) => {
      await payloads.fill(task, plan);
      if (plan.networks.connect.length > 0) await connectNetworks(engine, plan, await engine.inspectContainer(id));
      for (const source of plan.bindSources) await checkSource(source);
      await startOnNetworks(engine, networks, plan, id);
    },
    stop: async (id) => {
      await overlays.drain(task.id);
      await engine.stopContainer(id, plan.stopTimeoutSec);
    },
    remove: async () => {
      const inspect = await engine.inspectContainer(plan.name);
      if (inspect) {
        if (inspect.State.Running) await overlays.drain(task.id);
        await engine.stopContainer(inspect.Id, plan.stopTimeoutSec);
        await engine.removeContainer(inspect.Id);
      }
      if (plan.payloadFiles.length > 0) await payloads.remove(task.id);
      // Those of overlays go when no task wants them: a container that is not started yet does not keep the engine from it.
      for (const network of plan.networks.create) if (network.Driver !== NETD_DRIVER) await networks.drop(network);
    },
  };
}

/**
 * A pull that fails is told and not the task's failure: whether the image is here, the create that follows says. One that is
 * bound to be refused, on an engine with many containers to make, is not kept waiting for it.
 */
async function pull(
  task: Task,
  plan: ContainerPlan,
  options: EngineOperationsOptions,
  signal: AbortSignal,
): Promise<'perhaps-here' | 'absent'> {
  const { engine, log } = options;
  if (plan.pull.kind === 'never') return 'perhaps-here';
  const { kind, reference, auth, authUnreadable } = plan.pull;
  const fields = { task: task.id, image: plan.image };
  if (options.preferOfflineImage) {
    log.info(fields, 'image is not pulled: DOCKER_SERVICE_PREFER_OFFLINE_IMAGE is set');
    return 'perhaps-here';
  }
  if (kind === 'if-absent' && (await engine.hasImage(reference))) return 'perhaps-here';
  if (authUnreadable) log.warn(fields, 'registry credentials cannot be read, pulling without');
  try {
    await engine.pullImage(reference, auth?.reveal(), signal);
    return 'perhaps-here';
  } catch (error) {
    if (signal.aborted || error instanceof EngineUnreachable) throw error;
    log.info({ ...fields, error: errorText(error) }, 'image could not be pulled, trying the local one');
    return (await engine.hasImage(reference)) ? 'perhaps-here' : 'absent';
  }
}

async function observe(engine: Engine, name: string): Promise<ContainerFacts> {
  const inspect = await engine.inspectContainer(name);
  return { container: observedContainer(inspect), ports: boundPorts(inspect?.NetworkSettings.Ports) };
}

/**
 * A name that is taken is our own container, created before a crash. A name that is taken by no container is that of one the engine
 * is still making: on a request of ours that nobody waits for any more.
 */
async function createContainer(
  engine: Engine,
  plan: ContainerPlan,
  turn: 'in-turn' | 'at-once',
): Promise<ContainerFacts> {
  try {
    const { id } = await engine.createContainer(plan.name, plan.create, turn);
    return { container: { kind: 'created', id }, ports: [] };
  } catch (error) {
    if (!isConflict(error)) throw error;
    const facts = await observe(engine, plan.name);
    if (facts.container.kind !== 'absent') return facts;
    if (/in use/.test(errorText(error))) throw new EngineStuck(engine.address, `finished making ${plan.name}`);
    throw error;
  }
}

/** A network that vanished since the container was created is made again, once. */
async function startOnNetworks(engine: Engine, networks: EngineNetworks, plan: ContainerPlan, id: string) {
  try {
    await engine.startContainer(id);
  } catch (error) {
    if (!isNotFound(error) || plan.networks.create.length === 0) throw error;
    for (const network of plan.networks.create) await networks.ensure(network);
    await engine.startContainer(id);
  }
}

async function connectNetworks(engine: Engine, plan: ContainerPlan, inspect: ContainerInspect | undefined) {
  const connected = Object.keys(inspect?.NetworkSettings.Networks ?? {});
  for (const { network, endpoint } of plan.networks.connect) {
    if (connected.includes(network)) continue;
    await engine.connectNetwork(network, { Container: plan.name, EndpointConfig: endpoint });
  }
}

async function ensureVolume(engine: Engine, name: string, driver: string, body: object): Promise<void> {
  const volume = await engine.createVolume(body);
  if (driver !== '' && volume.driver !== '' && volume.driver !== driver) {
    throw new SpecError(`volume ${name} exists with the driver ${volume.driver}, wanted is ${driver}`);
  }
}
