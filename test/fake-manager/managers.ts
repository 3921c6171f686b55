import type { Client } from '@grpc/grpc-js';
import { newSwarmId } from '#base/ids.ts';
import { type Credentials, parseCredentials } from '#pki/credentials.ts';
import { dialManager } from '#pki/dial.ts';
import { FakeCa, type LeafSpec } from './ca.ts';
import { FakeCaServices } from './ca-services.ts';
import { type DispatcherOptions, FakeDispatcher } from './dispatcher.ts';
import { FakeLogBroker } from './log-broker.ts';
import { FakeManager } from './server.ts';
import { FakeSwarm } from './swarm.ts';

const DIAL_TIMEOUT_MS = 20_000;

/** The managers of one swarm, complete: certificates, dispatcher, logs. The first thing most tests want. */
export class FakeManagers implements AsyncDisposable {
  readonly ca: FakeCa;
  readonly caServices: FakeCaServices;
  readonly swarm = new FakeSwarm();
  readonly dispatcher: FakeDispatcher;
  readonly logs: FakeLogBroker;
  readonly #listening = new Map<string, FakeManager>();

  private constructor(ca: FakeCa, options: DispatcherOptions) {
    this.ca = ca;
    this.caServices = new FakeCaServices(ca);
    this.dispatcher = new FakeDispatcher(ca, this.swarm, {
      hasJoined: (id) => this.caServices.nodes.has(id),
      ...options,
    });
    this.logs = new FakeLogBroker(ca, this.swarm);
    this.swarm.rootBundle = ca.rootBundle;
  }

  static async start(count: number, options: DispatcherOptions & { readonly ca?: FakeCa } = {}): Promise<FakeManagers> {
    const managers = new FakeManagers(options.ca ?? new FakeCa(), options);
    for (let i = 0; i < count; i++) await managers.add();
    return managers;
  }

  /** Addresses of the managers that are up. */
  get addresses(): readonly string[] {
    return [...this.#listening.keys()];
  }

  /** Starts one more manager and lists it; at a given port, to bring back one that was stopped. */
  async add(port = 0): Promise<FakeManager> {
    const services = [...this.caServices.services(), ...this.dispatcher.services(), ...this.logs.services()];
    const manager = await FakeManager.listen(this.ca, services, { port });
    this.#listening.set(manager.address, manager);
    const others = this.swarm.managers.filter(({ addr }) => addr !== manager.address);
    this.swarm.managers = [...others, { nodeId: manager.nodeId, addr: manager.address }];
    this.swarm.changed();
    return manager;
  }

  /** A manager goes away; the others still list it. */
  async stop(address: string): Promise<void> {
    const manager = this.#listening.get(address);
    this.#listening.delete(address);
    await manager?.[Symbol.asyncDispose]();
  }

  /** A worker that has joined: its identity, and a node object for it. */
  worker(nodeId: string = newSwarmId(), leaf: Partial<LeafSpec> = {}): Credentials {
    const parts = this.ca.issueWithKey(nodeId, 'worker', leaf);
    if (!this.swarm.nodes.has(nodeId)) this.swarm.addNode(nodeId);
    return parseCredentials({ ...parts, rootBundle: this.ca.rootBundle }, Date.now());
  }

  dial(credentials: Credentials, address: string = this.addresses[0] ?? '', signal?: AbortSignal): Promise<Client> {
    const { rootBundle } = credentials;
    return dialManager(
      { address, serverName: 'swarm-manager', rootBundle, credentials },
      { timeoutMs: DIAL_TIMEOUT_MS, ...(signal ? { signal } : {}) },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.dispatcher.registrations.clear();
    for (const address of this.addresses) await this.stop(address);
  }
}
