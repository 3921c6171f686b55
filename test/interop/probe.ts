import { rmSync } from 'node:fs';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Endpoint, OverlayPeer } from '#netd/gossip/records.ts';
import type { NetworkSnapshot } from '#netd/gossip/tables.ts';
import { eventually } from '#test/hosts/eventually.ts';
import type { Host } from '#test/hosts/host.ts';
import type { HostProcess } from '#test/hosts/host-process.ts';
import type { Swarm } from '#test/hosts/swarm.ts';
import type { Answer, CommandName, Outcome, ProbeCommands, ProbeConfig } from './probe/commands.ts';

const SOCKET = '/run/probe.sock';
/** Joining takes a second; on a machine that starts thirty daemons at once it may take many. */
const START_TIMEOUT_MS = 90_000;

/** netd's gossip in a host of its own, in the swarm as a worker, at the test's command. */
export class Probe {
  readonly host: Host;
  readonly #config: ProbeConfig;
  #process: HostProcess;
  /** Its name in the gossip, another one after each start. */
  name: string;

  private constructor(host: Host, config: ProbeConfig, process: HostProcess, name: string) {
    this.host = host;
    this.#config = config;
    this.#process = process;
    this.name = name;
  }

  /** Joins the swarm and its gossip. Returns when the gossip answers, which may be before it has found its peers. */
  static async start(host: Host, swarm: Swarm): Promise<Probe> {
    const config: ProbeConfig = {
      socketPath: SOCKET,
      stateDir: '/var/lib/probe',
      hostname: host.name,
      managerAddress: swarm.address,
      token: swarm.tokens.worker,
      advertiseIp: host.address,
    };
    const process = await spawnIn(host, config);
    const probe = new Probe(host, config, process, '');
    await probe.#started();
    return probe;
  }

  /** As this machine counts. */
  get pid(): number {
    return this.#process.pid;
  }

  /** SIGKILL: no goodbye. */
  async kill(): Promise<void> {
    await this.#process.crash();
  }

  /** Starts again after `kill` or `leave`: the same node of the swarm, a new one of the gossip. */
  async restart(): Promise<void> {
    this.#process = await spawnIn(this.host, this.#config);
    await this.#started();
  }

  /** Says goodbye and ends. */
  async leave(): Promise<void> {
    await this.ask('leave', {});
    await this.#process.ended;
  }

  async attach(network: string): Promise<void> {
    await this.ask('attach', { network });
  }

  async publish(network: string, { id, endpoint, peer }: PublishedRows): Promise<void> {
    await this.ask('publishPeer', { network, id, peer });
    await this.ask('publishEndpoint', { network, id, endpoint });
  }

  /** In the order of a task that ends: out of balancing first, then gone. */
  async withdraw(network: string, id: string): Promise<void> {
    await this.ask('withdrawEndpoint', { network, id });
    await this.ask('withdrawPeer', { network, id });
  }

  /** @throws Error when the probe is not on that network */
  async snapshot(network: string): Promise<NetworkSnapshot> {
    const snapshot = await this.ask('snapshot', { network });
    if (snapshot === null) throw new Error(`the probe of ${this.host.name} is not on ${network}`);
    return snapshot;
  }

  async view(): Promise<Answer<'view'>> {
    return this.ask('view', {});
  }

  /** Everything all its runs have said. */
  log(): string {
    return this.#process.log();
  }

  async ask<N extends CommandName>(command: N, asks: ProbeCommands[N]['asks']): Promise<Answer<N>> {
    const socket = connect({ path: this.host.path(SOCKET), allowHalfOpen: true });
    socket.end(JSON.stringify({ command, ...asks }));
    const outcome = JSON.parse(await text(socket)) as Outcome;
    if (!outcome.ok) throw new Error(`probe of ${this.host.name}: ${command}: ${outcome.error}`);
    return outcome.answer as Answer<N>;
  }

  async #started(): Promise<void> {
    const answers = async () => {
      if (this.#process.running) this.name = (await this.view()).name;
      return true;
    };
    const patience = { timeoutMs: START_TIMEOUT_MS, intervalMs: 50 };
    await eventually(`the probe of ${this.host.name} answers`, answers, patience);
    if (!this.#process.running) throw new Error(`the probe of ${this.host.name} ended: ${this.#process.logTail()}`);
  }
}

/** Both rows of one endpoint. */
export interface PublishedRows {
  readonly id: string;
  readonly endpoint: Endpoint;
  readonly peer: OverlayPeer;
}

function spawnIn(host: Host, config: ProbeConfig): Promise<HostProcess> {
  // A process that was killed has left its socket.
  rmSync(host.path(SOCKET), { force: true });
  return host.spawn('probe', ['node', '/opt/netd/test/interop/probe/main.fixture.ts', JSON.stringify(config)]);
}
