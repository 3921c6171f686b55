import type { Client } from '@grpc/grpc-js';
import type { AgentConfig } from '#agent/config/config.ts';
import { TASK_ID_LABEL } from '#agent/container/labels.ts';
import { containerName } from '#agent/container/name.ts';
import type { Engine } from '#agent/engine/engine.ts';
import { EngineUnreachable } from '#agent/engine/engine-error.ts';
import type { EngineWatch } from '#agent/engine/engine-watch.ts';
import { type EngineEvent, NETWORK_EVENTS } from '#agent/engine/events.ts';
import { createLogService } from '#agent/logs/log-service.ts';
import { createNodeOverlays, type NodeOverlays } from '#agent/networks/node-overlays.ts';
import type { PayloadStore } from '#agent/payload/store.ts';
import { createAssignments } from '#agent/session/assignments.ts';
import { ordersOf } from '#agent/session/node-message.ts';
import { createSession, describesAnew, type Session } from '#agent/session/session.ts';
import type { SessionEnd } from '#agent/session/session-end.ts';
import { createEngineOperations } from '#agent/tasks/engine-operations.ts';
import { createOutbox, type Outbox } from '#agent/tasks/outbox.ts';
import { compareWithEngine } from '#agent/tasks/resync.ts';
import type { TaskStore } from '#agent/tasks/store.ts';
import { createTasks, type Tasks } from '#agent/tasks/tasks.ts';
import type { Clock } from '#base/clock.ts';
import { errorText, isNetdError } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import { createNotifier } from '#base/notifier.ts';
import type { Random } from '#base/random.ts';
import type { GossipNode } from '#netd/gossip/node.ts';
import type { NodeNetwork } from '#netd/node-network.ts';
import { dialManager } from '#pki/dial.ts';
import type { NodeIdentity } from '#pki/identity.ts';
import type { Remotes } from '#pki/remotes.ts';
import type { SessionMessage } from '#proto/gen/swarmkit/dispatcher_pb.js';
import type { Node, NodeDescription } from '#proto/gen/swarmkit/types_pb.js';
import { describeNode } from './description.ts';
import type { HostNetwork } from './host-network.ts';
import { createNodeGossip, type NodeGossip } from './node-gossip.ts';
import type { SessionFile } from './session-file.ts';
import type { NodeState, StateFile } from './state-file.ts';
import { createTaskPayloads } from './task-payloads.ts';

/** This host as a node of a swarm: everything that lives from join to leave. */
export interface JoinedNode {
  readonly identity: NodeIdentity;
  readonly remotes: Remotes;
  readonly session: Session;
  readonly tasks: Tasks;
  readonly overlays: NodeOverlays;
  readonly outbox: Outbox;
  /** It outlives `run`, so that what is taken down afterwards can be said to the peers: end it with its `leave` or `close`. */
  readonly gossip: NodeGossip;
  /** The node object as the manager last sent it. */
  readonly node: () => Node | undefined;
  /** What was last sent to a manager, and when (milliseconds since the epoch). */
  readonly described: () => { readonly description: NodeDescription; readonly atMs: number } | undefined;
  readonly lastEnd: () => { readonly end: SessionEnd; readonly atMs: number } | undefined;
  /** Since when there is no session, if there was one before. */
  readonly lostSinceMs: () => number | undefined;
  /** Something the description or the tasks depend on is new: the engine, the certificate. */
  readonly factsChanged: () => void;
  readonly engineEvent: (event: EngineEvent) => void;
  /** The engine answers again: whatever happened meanwhile, look. */
  readonly engineUp: () => void;
  /** Works until the signal aborts; containers are left running. */
  readonly run: (signal: AbortSignal) => Promise<void>;
  /** Makes no further moves; what is under way gets a moment to end. Containers are left running. */
  readonly closeTasks: () => Promise<void>;
  /** Stops and removes every task of this node. To be called after `run` has ended. */
  readonly removeTasks: () => Promise<void>;
}

export interface JoinedNodeOptions {
  readonly identity: NodeIdentity;
  readonly remotes: Remotes;
  /** From the state file; kept as it is but for what a session changes. */
  readonly state: NodeState;
  /** Of an earlier run of this node; empty if there is none to go on with. */
  readonly lastSessionId: string;
  readonly config: AgentConfig;
  readonly engine: Engine;
  readonly engineWatch: EngineWatch;
  readonly network: NodeNetwork;
  /** The files of secrets and configs; rejects while there is no memory-backed place for them. */
  readonly payloads: () => Promise<PayloadStore>;
  readonly taskStore: TaskStore;
  readonly stateFile: StateFile;
  readonly sessionFile: SessionFile;
  readonly host: HostNetwork;
  readonly fips: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/**
 * An engine that is away this long will not start what the manager sends: the session ends, and after the manager's own
 * grace the node is Down and its tasks go elsewhere. An upgrade of an engine with live-restore takes less.
 */
const ENGINE_GRACE_MS = 60_000;
const DIAL_TIMEOUT_MS = 5000;
/** The pass every task gets on a slow timer, in case an event was missed. */
const RESYNC_MS = 30_000;
/** As long as Docker takes to let go of its tasks when it leaves (spec swarmkit-worker §1.15). */
const LEAVE_BUDGET_MS = 15_000;
/** A creation or a start takes less; a stop, which may take its whole grace period, goes on at the engine without us. */
const CLOSE_BUDGET_MS = 2_000;
const NODE_ID_LABEL = 'com.docker.swarm.node.id';

export function createJoinedNode(options: JoinedNodeOptions): JoinedNode {
  const { identity, remotes, engine, engineWatch, config, taskStore, stateFile, sessionFile, clock, log } = options;
  const { nodeId } = identity.current();
  const facts = createNotifier();
  const outbox = createOutbox();
  const assignments = createAssignments();
  let node: Node | undefined;
  let described: { readonly description: NodeDescription; readonly atMs: number } | undefined;
  let lastEnd: { readonly end: SessionEnd; readonly atMs: number } | undefined;
  let registered = false;
  let lost: number | undefined;
  let state = options.state;

  const gossip = createNodeGossip({
    advertiseAddr: options.state.advertiseAddr,
    dataPathAddr: options.state.dataPathAddr,
    host: options.host,
    clock,
    log,
  });

  const overlays = createNodeOverlays({
    engine,
    network: options.network,
    node: () => node,
    tasks: () => tasks.all(),
    markTask: (taskId) => tasks.mark(taskId),
    dataPath: gossip.dataPath,
    nodeFacts: () => nodeFacts(),
    clock,
    log,
  });

  const tasks = createTasks({
    operations: overlays.operations(
      createEngineOperations({
        engine,
        overlays: overlays.forTasks,
        node: () => nodeFacts(),
        payloads: createTaskPayloads(options.payloads, assignments, config.runDir),
        preferOfflineImage: config.preferOfflineImage,
        log,
      }),
    ),
    store: taskStore,
    outbox,
    inputsReady: (task) => {
      const runtime = task.spec?.runtime;
      if (assignments.synced() || runtime?.case !== 'container') return true;
      return runtime.value.secrets.length === 0 && runtime.value.configs.length === 0;
    },
    onChange: (taskId, record) => {
      logs.taskChanged(taskId, record);
      overlays.taskChanged(taskId, record);
    },
    clock,
    log,
  });
  const logs = createLogService({ engine, tasks, containerName, nodeId: () => nodeId, clock, log });

  const currentDescription = (): NodeDescription | undefined => {
    const state = engineWatch.state();
    if (state.kind === 'connecting' || !state.facts) return undefined;
    const { rootBundle, issuer } = identity.current();
    return describeNode(state.facts, {
      labels: config.labels,
      genericResources: config.genericResources,
      tls: { trustRoot: rootBundle, issuerSubject: issuer.subjectDer, issuerPublicKey: issuer.publicKeyDer },
      fips: options.fips,
    });
  };

  const nodeFacts = () => {
    const description = currentDescription();
    // A task is planned once: with a host name left out it would keep none.
    if (!description) throw new EngineUnreachable(engine.address, new Error('it has not told of its host yet'));
    const { architecture = '', os = '' } = description.platform ?? {};
    return { id: nodeId, hostname: description.hostname, platform: { architecture, os } };
  };

  const describe = async (signal: AbortSignal): Promise<NodeDescription> => {
    for (;;) {
      const description = engineWatch.state().kind === 'up' ? currentDescription() : undefined;
      if (description) {
        described = { description, atMs: clock.now() };
        return description;
      }
      await facts.wait(signal);
    }
  };

  const describedAnew = async (sent: NodeDescription, signal: AbortSignal): Promise<NodeDescription> => {
    for (;;) {
      const next = currentDescription();
      if (next && describesAnew(sent, next)) return next;
      if (engineWatch.state().kind === 'up') await facts.wait(signal);
      else await outlastEngine(signal);
    }
  };

  /** Returns when the engine is back within its grace, and throws when it is not. */
  const outlastEngine = async (signal: AbortSignal): Promise<void> => {
    const scope = new AbortController();
    const inside = AbortSignal.any([signal, scope.signal]);
    const patience = clock.sleep(ENGINE_GRACE_MS, inside).then(() => {
      throw new EngineUnreachable(engine.address, new Error(`no answer for ${ENGINE_GRACE_MS / 1000} s`));
    });
    patience.catch(() => {}); // aborted when the engine is back first
    try {
      while (engineWatch.state().kind !== 'up') await Promise.race([facts.wait(inside), patience]);
    } finally {
      scope.abort(new Error('the engine is back'));
    }
  };

  const onMessage = (message: SessionMessage) => {
    remotes.setSeen(
      message.managers.flatMap(({ peer, weight }) =>
        peer ? [{ nodeId: peer.nodeId, addr: peer.addr, weight: Number(weight) }] : [],
      ),
    );
    const orders = ordersOf(node, message);
    node = orders.node;
    if (orders.rotate) identity.renewNow('the manager asks for it');
    if (orders.promoted) {
      log.warn('this node was promoted to manager, but netd is a worker only: it goes on as one');
    }
    if (message.rootCa.length > 0) identity.offerRoot(message.rootCa);
    gossip.onMessage(message);
    overlays.mark();
  };

  const saveManagers = () => {
    state = { ...state, managers: remotes.peers() };
    stateFile.save(state);
  };

  const session = createSession({
    selectManager: (failed) => remotes.select(failed),
    observeManager: (manager, weight) => remotes.observe(manager, weight),
    dial: (manager, signal) => dial(manager.addr, identity, signal),
    describe,
    describedAnew,
    assignments,
    outbox,
    lastSessionId: options.lastSessionId,
    onMessage,
    onRegistered: (id) => {
      registered = true;
      lost = undefined;
      sessionFile.save(nodeId, id);
      tasks.reportAll();
    },
    onAssignments: (taken) => {
      tasks.assign({ complete: taken.complete, update: taken.updatedTasks, remove: taken.removedTasks });
      overlays.mark();
      if (taken.complete) void resync();
    },
    serveLogs: (client, signal) => {
      overlays.setClient(client, signal);
      return logs.serve(client, signal);
    },
    onEnd: (end) => {
      if (end.kind === 'described') return;
      lastEnd = { end, atMs: clock.now() };
      if (end.kind === 'removed') gossip.onRemoved();
      if (registered) lost ??= clock.now();
    },
    clock,
    random: options.random,
    log,
  });

  /** One look at all containers of this node. Strays go only once the manager has said what is ours. */
  const resync = async (): Promise<void> => {
    if (engineWatch.state().kind !== 'up') return;
    try {
      const containers = await engine.listContainers(`${NODE_ID_LABEL}=${nodeId}`);
      const found = compareWithEngine(tasks.all(), containers);
      for (const id of found.tasks) tasks.mark(id);
      if (assignments.synced()) await removeStrays(found.strays);
    } catch (error) {
      log.debug({ error: errorText(error) }, 'containers could not be compared');
    }
  };

  const removeStrays = async (ids: readonly string[]): Promise<void> => {
    for (const id of ids) {
      log.warn({ container: id }, 'removing a container of this node that belongs to no task');
      await engine.removeContainer(id);
    }
    await removePayloads((taskId) => tasks.get(taskId) === undefined); // asked anew for each: tasks may come meanwhile
  };

  const removePayloads = async (which: (taskId: string) => boolean): Promise<void> => {
    const payloads = await options.payloads().catch((error: unknown) => {
      if (isNetdError(error, 'payload-not-in-memory')) return undefined; // no place for any, so there are none
      throw error;
    });
    if (!payloads) return;
    for (const taskId of await payloads.list()) if (which(taskId)) await payloads.remove(taskId);
  };

  const atMost = async (limitMs: number, work: Promise<void>): Promise<void> => {
    const scope = new AbortController();
    await Promise.race([work, clock.sleep(limitMs, scope.signal).catch(() => {})]);
    scope.abort(new Error('done'));
  };

  const runResync = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      await clock.sleep(RESYNC_MS, signal).catch(() => {});
      if (signal.aborted) return;
      overlays.tidy();
      await resync();
    }
  };

  return {
    identity,
    remotes,
    session,
    tasks,
    outbox,
    gossip,
    overlays,
    node: () => node,
    described: () => described,
    lastEnd: () => lastEnd,
    lostSinceMs: () => lost,
    factsChanged: facts.notify,
    engineEvent: (event) => {
      const taskId = event.attributes[TASK_ID_LABEL];
      if (taskId !== undefined) tasks.mark(taskId);
      const { container } = event.attributes; // of events of networks
      if (container !== undefined && NETWORK_EVENTS.includes(event.action)) overlays.containerMoved(container);
    },
    engineUp: () => {
      tasks.markAll();
      void resync();
    },
    run: async (signal) => {
      const onGossip = (node: GossipNode | undefined) => {
        options.network.setGossip(node);
        overlays.mark();
      };
      const unlisten = [remotes.onChange(saveManagers), identity.onChange(facts.notify), gossip.onChange(onGossip)];
      try {
        tasks.restore(await taskStore.load());
        await Promise.all([session.run(signal), identity.run(signal), runResync(signal), gossip.run(signal)]);
      } finally {
        for (const stop of unlisten) stop();
        await overlays.close();
        await taskStore.flush();
        await stateFile.flush();
        await sessionFile.flush();
      }
    },
    closeTasks: () => atMost(CLOSE_BUDGET_MS, tasks.close()),
    removeTasks: async () => {
      tasks.assign({ complete: true, update: [], remove: [] });
      await atMost(LEAVE_BUDGET_MS, tasks.idle());
      try {
        // What is still being stopped by then is not waited for: its removal ends the stop.
        const containers = await engine.listContainers(`${NODE_ID_LABEL}=${nodeId}`);
        for (const { Id } of containers) await engine.removeContainer(Id);
      } finally {
        // A node that cannot leave lives on, in other tasks: these must not go on removing.
        await atMost(CLOSE_BUDGET_MS, tasks.close());
      }
      await overlays.clear();
      await removePayloads(() => true);
      await taskStore.flush();
    },
  };
}

function dial(address: string, identity: NodeIdentity, signal: AbortSignal): Promise<Client> {
  const credentials = identity.current();
  const { rootBundle } = credentials;
  return dialManager(
    { address, serverName: 'swarm-manager', rootBundle, credentials },
    { timeoutMs: DIAL_TIMEOUT_MS, signal },
  );
}
