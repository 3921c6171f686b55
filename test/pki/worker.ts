import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ordersOf } from '#agent/session/node-message.ts';
import { systemClock } from '#base/clock.ts';
import { silentLogger } from '#base/log.ts';
import { type Credentials, tlsInfoOf } from '#pki/credentials.ts';
import { dialManager } from '#pki/dial.ts';
import { NodeIdentity } from '#pki/identity.ts';
import { type JoinOptions, joinCluster } from '#pki/join.ts';
import { Remotes } from '#pki/remotes.ts';
import { CertificateStore } from '#pki/store.ts';
import { parseJoinToken } from '#pki/token.ts';
import { Dispatcher } from '#proto/gen/swarmkit/dispatcher_pb.js';
import type { Node } from '#proto/gen/swarmkit/types_pb.js';
import { callServerStream, callUnary } from '#proto/grpc.ts';

const TOOLS = { clock: systemClock, random: Math.random, log: silentLogger };
const LIMITS = { timeoutMs: 5_000 };

/** Joins as netd does, keeping nothing. */
export async function joinSwarm(
  address: string,
  token: string,
  overrides: Partial<JoinOptions> = {},
): Promise<Credentials> {
  const remotes = new Remotes(Math.random);
  const base = {
    token: parseJoinToken(token),
    addresses: [address],
    availability: 'active',
    remotes,
    ...TOOLS,
  } as const;
  return joinCluster({ ...base, ...overrides }, AbortSignal.timeout(30_000));
}

/** The least that a manager takes for a worker: an identity, and a session that reports it and follows the manager's orders. */
export class TestWorker implements AsyncDisposable {
  readonly identity: NodeIdentity;
  readonly store: CertificateStore;
  readonly #address: string;
  readonly #stateDir: string;
  #running: { readonly stop: AbortController; readonly ended: Promise<unknown> } | undefined;

  private constructor(address: string, stateDir: string, store: CertificateStore, credentials: Credentials) {
    this.#address = address;
    this.#stateDir = stateDir;
    this.store = store;
    const remotes = new Remotes(Math.random, [{ nodeId: '', addr: address }]);
    this.identity = new NodeIdentity({ credentials, store, remotes, ...TOOLS });
  }

  static async join(address: string, token: string): Promise<TestWorker> {
    const stateDir = mkdtempSync(join(tmpdir(), 'netd-worker-'));
    const store = new CertificateStore(stateDir);
    await store.install(await joinSwarm(address, token));
    const credentials = await store.load(Date.now());
    if (!credentials) throw new Error('nothing was stored');
    return new TestWorker(address, stateDir, store, credentials);
  }

  get nodeId(): string {
    return this.identity.current().nodeId;
  }

  /** Opens sessions and renews certificates until `stop`. */
  start(): void {
    const stop = new AbortController();
    const ended = Promise.allSettled([this.identity.run(stop.signal), this.#sessions(stop.signal)]);
    this.#running = { stop, ended };
  }

  async stop(): Promise<void> {
    this.#running?.stop.abort(new Error('stopped'));
    await this.#running?.ended;
    this.#running = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.#stateDir, { recursive: true, force: true });
  }

  async #sessions(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const renewed = new AbortController();
      const stopListening = this.identity.onChange(({ tlsInfoChanged }) => {
        if (tlsInfoChanged) renewed.abort(new Error('the TLS info has changed'));
      });
      await this.#session(AbortSignal.any([signal, renewed.signal])).catch(() => {}); // and the next one
      stopListening();
      await systemClock.sleep(200, signal).catch(() => {});
    }
  }

  async #session(signal: AbortSignal): Promise<void> {
    const credentials = this.identity.current();
    const target = {
      address: this.#address,
      serverName: 'swarm-manager',
      rootBundle: credentials.rootBundle,
      credentials,
    } as const;
    const client = await dialManager(target, { ...LIMITS, signal });
    const ended = new AbortController();
    try {
      const description = { hostname: 'netd-test', tlsInfo: tlsInfoOf(credentials) };
      let node: Node | undefined;
      let beating = false;
      for await (const message of callServerStream(client, Dispatcher.method.session, { description }, { signal })) {
        const orders = ordersOf(node, message);
        node = orders.node;
        if (orders.rotate) this.identity.renewNow('the manager asks for it');
        void this.identity.offerRoot(message.rootCa);
        if (!beating)
          void this.#beat(client, message.sessionId, AbortSignal.any([signal, ended.signal])).catch(() => {});
        beating = true;
      }
    } finally {
      ended.abort(new Error('the session has ended'));
      client.close();
    }
  }

  async #beat(client: Awaited<ReturnType<typeof dialManager>>, sessionId: string, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { period } = await callUnary(client, Dispatcher.method.heartbeat, { sessionId }, { ...LIMITS, signal });
      await systemClock.sleep(Number(period?.seconds ?? 5n) * 1000, signal);
    }
  }
}
