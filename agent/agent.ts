import type { AgentControl, JoinRequest, JoinResult, LeaveRequest } from '#agent/api/control.ts';
import type { GossipDetail } from '#agent/api/gossip-facts.ts';
import { viewOf } from '#agent/api/problems.ts';
import { serveApi } from '#agent/api/server.ts';
import { lockStateDirectory } from '#agent/api/state-lock.ts';
import type { AgentView, JoiningFact } from '#agent/api/view.ts';
import { type AgentConfig, socketPath } from '#agent/config/config.ts';
import { createEngine, type Engine } from '#agent/engine/engine.ts';
import { createEngineWatch, type EngineWatch } from '#agent/engine/engine-watch.ts';
import { createDriverAgent } from '#agent/networks/driver-agent.ts';
import { agentFacts } from '#agent/node/agent-facts.ts';
import { gossipDetail } from '#agent/node/gossip-fact.ts';
import { hostNetwork } from '#agent/node/host-network.ts';
import { hostIsGoingDown } from '#agent/node/host-shutdown.ts';
import { createJoinedNode, type JoinedNode } from '#agent/node/joined-node.ts';
import { checkAddresses } from '#agent/node/local-address.ts';
import { makeDirectory } from '#agent/node/make-directory.ts';
import { afterFailedJoin, busy, GIVEN_UP, type Membership } from '#agent/node/membership.ts';
import { networkQuestions } from '#agent/node/network-questions.ts';
import { openPayloads } from '#agent/node/open-payloads.ts';
import { createSessionFile, type SessionFile } from '#agent/node/session-file.ts';
import { createStateFile, type StateFile } from '#agent/node/state-file.ts';
import type { PayloadStore } from '#agent/payload/store.ts';
import { createTaskStore, type TaskStore } from '#agent/tasks/store.ts';
import { removeUnfinished } from '#base/atomic-file.ts';
import type { Clock } from '#base/clock.ts';
import { errorText, NetdError } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import { type NodeNetwork, startNodeNetwork } from '#netd/node-network.ts';
import type { Credentials } from '#pki/credentials.ts';
import { NodeIdentity } from '#pki/identity.ts';
import { joinCluster } from '#pki/join.ts';
import { Remotes } from '#pki/remotes.ts';
import { CertificateStore, joinConflict } from '#pki/store.ts';
import { type JoinToken, parseJoinToken } from '#pki/token.ts';

/** What the agent takes from the world besides its configuration. */
export interface AgentSeams {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly version: string;
  readonly hostname: string;
  readonly fips: boolean;
}

/** The daemon: one engine, one state directory, at most one swarm. */
export class Agent implements AgentControl {
  readonly #config: AgentConfig;
  readonly #seams: AgentSeams;
  readonly #engine: Engine;
  readonly #watch: EngineWatch;
  readonly #certificates: CertificateStore;
  readonly #stateFile: StateFile;
  readonly #sessionFile: SessionFile;
  readonly #startedMs: number;
  readonly #taskStore: TaskStore;
  /** From the beginning of `run` to its end. */
  #network: NodeNetwork | undefined;
  readonly network: AgentControl['network'];
  /** Rejected when a node cannot go on: then the agent ends, and its service manager starts it anew. */
  readonly #fatal = Promise.withResolvers<never>();
  #payloads: Promise<PayloadStore> | undefined;
  /** Aborts what must not outlive the agent. */
  readonly #stopping = new AbortController();
  #membership: Membership;
  /** Settles when the present change of the membership has ended, however it ended. */
  #change: Promise<unknown> = Promise.resolve();
  /** What is at work on the membership, if anything: nobody else may change it then. */
  #changing: 'starting' | 'joining' | 'leaving' | undefined = 'starting';
  /** The join under way, which leaving gives up. */
  #joining: { readonly work: Promise<unknown>; readonly giveUp: AbortController } | undefined;

  constructor(config: AgentConfig, seams: AgentSeams) {
    const { clock, log } = seams;
    this.#config = config;
    this.#seams = seams;
    this.#startedMs = clock.now();
    this.#fatal.promise.catch(() => {}); // told by `run`, which may not be listening yet
    this.#engine = createEngine(config.engine);
    this.#certificates = new CertificateStore(config.stateDir);
    this.#stateFile = createStateFile(config.stateDir);
    this.#sessionFile = createSessionFile(config.runDir);
    this.#taskStore = createTaskStore(config.stateDir);
    this.#membership = { kind: 'none', sinceMs: this.#startedMs, joinError: null };
    this.network = networkQuestions(
      () => this.#openNetwork(),
      () => this.gossip(),
      clock,
    );
    this.#watch = createEngineWatch({
      engine: this.#engine,
      onEvent: (event) => this.#node()?.engineEvent(event),
      onChange: () => this.#node()?.factsChanged(),
      onUp: () => {
        this.#network?.engineUp();
        this.#node()?.engineUp();
      },
      clock,
      log,
    });
  }

  /**
   * Runs until the signal aborts. Containers are left as they are.
   *
   * @throws NetdError when the address for metrics cannot be had, the directories cannot be used, another agent uses them, or
   * the state in them is damaged
   */
  async run(signal: AbortSignal): Promise<void> {
    const { stateDir, runDir } = this.#config;
    const { clock, random, log } = this.#seams;
    await using _metrics = await this.#serveMetrics(); // first: an address that cannot be had should cost nothing
    await makeDirectory(stateDir, 0o700, '--state-dir');
    await makeDirectory(runDir, 0o755, '--run-dir');
    const lock = await lockStateDirectory(stateDir);
    try {
      await removeUnfinished(stateDir); // of an agent that was killed while it wrote
      this.#network = await this.#startNetwork();
      const credentials = await this.#certificates.load(clock.now());
      // Before anybody can ask: a node that is part of a swarm never says that it is not.
      if (credentials) await this.#start(credentials, new Remotes(random, (await this.#stateFile.load()).managers));
      this.#changing = undefined;
      const api = await serveApi({ socketPath: socketPath(runDir), control: this, clock, log });
      log.info({ version: this.#seams.version, stateDir, socket: api.socketPath }, 'netd agent is up');
      try {
        await Promise.race([this.#watch.run(AbortSignal.any([signal, this.#stopping.signal])), this.#fatal.promise]);
      } finally {
        await api.close();
      }
    } finally {
      // Whatever is left open here keeps the process alive, and its service manager from starting another.
      this.#stopping.abort(new Error('netd is stopping'));
      try {
        await this.#stop(); // throws what has ended the node, if something has
      } finally {
        await this.#network?.close();
        await lock.release();
        this.#engine.close();
      }
    }
  }

  view(): AgentView {
    const { clock, version, hostname } = this.#seams;
    const facts = agentFacts({
      version,
      hostname,
      startedMs: this.#startedMs,
      config: this.#config,
      engine: this.#watch.state(),
      membership: this.#membership,
      storageProblem: this.#stateFile.problem() ?? this.#taskStore.problem(),
      network: this.#network?.status(),
      nowMs: clock.now(),
    });
    return viewOf(facts, clock.now());
  }

  gossip(): GossipDetail {
    return gossipDetail(this.#node()?.gossip, this.#seams.clock.now());
  }

  /** Joins, and goes on joining when the caller has stopped waiting, as `docker swarm join` does. */
  async join(request: JoinRequest, signal: AbortSignal): Promise<JoinResult> {
    const token = parseJoinToken(request.token); // refused before anything is thrown away
    checkAddresses(request, hostNetwork.interfaces());
    const giveUp = new AbortController();
    const work = this.#alone('joining', async () => {
      await this.#requireEngine();
      await this.#makeWay(request.force, token);
      this.#joining = { work, giveUp };
      return this.#join(request, token, giveUp.signal);
    });
    work.catch(() => {}); // told by the view; the caller may be gone
    return new Promise((resolve, reject) => {
      work.then(resolve, reject);
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
  }

  async leave({ force }: LeaveRequest): Promise<boolean> {
    if (await this.#giveUpJoining()) return false;
    await this.#alone('leaving', async () => {
      const { node, life } = this.#joined();
      if (!force) await this.#requireEngine();
      this.#membership = { kind: 'leaving', sinceMs: this.#seams.clock.now(), node };
      await life.stop('this node leaves the swarm');
      await this.#forget(node, force);
    });
    return true;
  }

  /** One change of the membership at a time: two joins would be two nodes. */
  async #alone<T>(what: 'joining' | 'leaving', work: () => Promise<T>): Promise<T> {
    if (this.#changing !== undefined) throw busy(this.#changing);
    this.#changing = what;
    const done = work();
    this.#change = done.catch(() => {});
    try {
      return await done;
    } finally {
      this.#changing = undefined;
      this.#joining = undefined;
    }
  }

  /** True if there was a join, and it has come to nothing. */
  async #giveUpJoining(): Promise<boolean> {
    if (this.#joining === undefined) return false;
    const { work, giveUp } = this.#joining;
    giveUp.abort(new NetdError(GIVEN_UP, 'the join was given up: this node was told to leave'));
    return work.then(
      () => false,
      () => true,
    );
  }

  async #join(request: JoinRequest, token: JoinToken, givenUp: AbortSignal): Promise<JoinResult> {
    const { clock, random, log, fips } = this.#seams;
    const sinceMs = clock.now();
    const onProgress = (progress: JoiningFact) => {
      this.#membership = { kind: 'joining', sinceMs, progress };
    };
    onProgress({ step: 'root-ca', attempt: 1, address: request.addresses[0] ?? null, lastError: null });
    try {
      const remotes = new Remotes(random);
      const { addresses, availability, advertiseAddr, dataPathAddr } = request;
      const credentials = await joinCluster(
        { token, addresses, availability, remotes, clock, random, log, fips, onProgress },
        // Not the caller's: who asked may be gone, the join goes on.
        AbortSignal.any([this.#stopping.signal, givenUp]),
      );
      await this.#taskStore.wipe(); // of another node, if a leave broke off or an operator removed the certificates
      await this.#certificates.install(credentials);
      this.#stateFile.save({ managers: remotes.peers(), advertiseAddr, dataPathAddr });
      await this.#stateFile.flush();
      await this.#start(credentials, remotes);
      const { nodeId, clusterId, serial, notAfterMs } = credentials;
      log.info({ nodeId, clusterId, serial, notAfter: new Date(notAfterMs).toISOString() }, 'this node joined a swarm');
      return { nodeId, clusterId };
    } catch (error) {
      this.#membership = afterFailedJoin(error, clock.now());
      log.error({ error: errorText(error) }, 'the swarm could not be joined');
      throw error;
    }
  }

  /** Begins the life of a joined node; its work goes on in the background, and its failure ends the agent. */
  async #start(credentials: Credentials, remotes: Remotes): Promise<void> {
    const { clock, random, log, fips } = this.#seams;
    const scope = new AbortController();
    const node = createJoinedNode({
      identity: new NodeIdentity({ credentials, store: this.#certificates, remotes, clock, random, log }),
      remotes,
      state: await this.#stateFile.load(),
      lastSessionId: await this.#sessionFile.load(credentials.nodeId),
      config: this.#config,
      engine: this.#engine,
      engineWatch: this.#watch,
      payloads: () => this.#openPayloads(),
      taskStore: this.#taskStore,
      stateFile: this.#stateFile,
      sessionFile: this.#sessionFile,
      network: this.#openNetwork(),
      host: hostNetwork,
      fips,
      clock,
      random,
      log,
    });
    const work = node.run(scope.signal);
    work.catch(this.#fatal.reject);
    const stop = async (reason: string) => {
      scope.abort(new Error(reason));
      try {
        await work;
      } catch (error) {
        await node.gossip.close(); // nobody will come back to it
        throw error;
      }
    };
    this.#membership = { kind: 'joined', sinceMs: clock.now(), node, life: { stop } };
  }

  /** The end of a joined node's life in this process; its containers are left as they are. */
  async #stop(): Promise<void> {
    // A leave half done is better finished; it has a bound of its own.
    if (this.#membership.kind === 'leaving') await this.#change;
    if (this.#membership.kind !== 'joined') return;
    const { node, life } = this.#membership;
    const goingDown = hostIsGoingDown();
    await node.closeTasks();
    await life.stop('netd is stopping');
    // Without a goodbye the containers keep their traffic if the next start is soon. With the host they go too, and peers
    // should not find that out by themselves.
    await ((await goingDown) ? node.gossip.leave() : node.gossip.close());
  }

  /** A second join is refused, or with force throws the earlier membership away. */
  async #makeWay(force: boolean, token: JoinToken): Promise<void> {
    if (this.#membership.kind === 'none') return;
    const { node, life } = this.#joined();
    if (!force) throw joinConflict(node.identity.current(), token);
    this.#membership = { kind: 'leaving', sinceMs: this.#seams.clock.now(), node };
    await life.stop('this node joins another swarm');
    await this.#forget(node, true);
  }

  /** Removes tasks and state. Forced, what cannot be removed is told and passed over. */
  async #forget(node: JoinedNode, force: boolean): Promise<void> {
    const { clock, log } = this.#seams;
    try {
      await node.removeTasks().catch((error: unknown) => {
        if (!force) throw error;
        log.warn({ error: errorText(error) }, 'containers of this node may be left');
      });
      await this.#certificates.wipe();
    } catch (error) {
      await node.gossip.close();
      await this.#start(node.identity.current(), node.remotes); // still part of the swarm
      throw error;
    }
    await node.gossip.leave();
    // Without certificates it no longer is. What cannot be removed now is overwritten or passed over by the next join.
    for (const rest of [this.#stateFile, this.#taskStore]) {
      await rest.wipe().catch((error: unknown) => log.warn({ error: errorText(error) }, 'state of the swarm is left'));
    }
    this.#membership = { kind: 'none', sinceMs: clock.now(), joinError: null };
    log.info({ nodeId: node.identity.current().nodeId }, 'this node has left the swarm');
  }

  #joined() {
    const membership = this.#membership;
    if (membership.kind !== 'joined') {
      throw new NetdError('not-joined', 'this node is not part of a swarm', { mend: 'Nothing to leave.' });
    }
    return membership;
  }

  /** Loaded only if asked for: a node without metrics should not carry them. */
  async #serveMetrics(): Promise<AsyncDisposable | null> {
    const { metricsAddr } = this.#config;
    if (metricsAddr === null) return null;
    const { serveMetrics } = await import('#agent/metrics/metrics-server.ts');
    const { clock, log } = this.#seams;
    return serveMetrics({ address: metricsAddr, view: () => this.view(), clock, log });
  }

  /** Also for a host that is in no swarm: its engine waits a quarter of a minute for a driver that does not answer. */
  async #startNetwork(): Promise<NodeNetwork> {
    const { runDir, pluginDir } = this.#config;
    const { clock, random, log } = this.#seams;
    const agent = createDriverAgent(this.#engine, () => this.#node()?.overlays);
    return startNodeNetwork({ runDir, pluginDir, agent, clock, random, log });
  }

  #openNetwork(): NodeNetwork {
    if (this.#network === undefined) throw new Error('a node before the network of its host');
    return this.#network;
  }

  #node(): JoinedNode | undefined {
    return this.#membership.kind === 'joined' ? this.#membership.node : undefined;
  }

  /** A node without an engine is of no use to a swarm: nothing is asked of a manager, or thrown away, before it answers. */
  async #requireEngine(): Promise<void> {
    const state = this.#watch.state();
    if (state.kind === 'down') throw state.error;
    if (state.kind === 'connecting') await this.#engine.version();
  }

  /** Kept once it worked; tried anew while it does not. */
  #openPayloads(): Promise<PayloadStore> {
    this.#payloads ??= openPayloads(this.#config.runDir, this.#watch.state()).catch((error: unknown) => {
      this.#payloads = undefined;
      throw error;
    });
    return this.#payloads;
  }
}
