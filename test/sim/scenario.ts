import { type Random, uniformInt } from '#base/random.ts';
import { disagreements, TABLE, type Wanted } from './agreement.ts';
import { Invariants } from './invariants.ts';
import { goodWires } from './network.ts';
import { type SimNode, World } from './world.ts';

/** The worst that happens to the wires and processes while a random run is troubled. */
export interface Trouble {
  readonly hosts: number;
  readonly networks: number;
  readonly troubledMs: number;
  readonly eventEveryMs: number;
  /** How long after the last trouble everybody must agree. */
  readonly settleMs: number;
}

export interface Outcome {
  readonly seed: number;
  readonly log: readonly string[];
  /** Simulated time from the end of trouble until all agreed; undefined if they did not in time. */
  readonly settledMs: number | undefined;
  /** What was wrong during the run or in the end. */
  readonly differences: readonly string[];
  /** Longest that a row of an ended process was seen, in ms. */
  readonly longestDeadMs: number;
  readonly world: World;
}

const TROUBLE = { networks: 2, troubledMs: 60_000, eventEveryMs: 400, settleMs: 300_000 } as const;
const MIN_HOSTS = 3;
const HOST_CHOICES = 8;
const CHECK_EVERY_MS = 5000;
/** How often what must always hold is looked at. */
const LOOK_EVERY_MS = 1000;
/** After agreement nothing may change any more: a row that comes back, a node that is accused for nothing. */
const QUIET_MS = 35_000;
/** Clocks jump forward, and back, where time stands still for the core until it is made up for. */
const MAX_JUMP_MS = 20_000;
/** Hosts every process is told to join through. */
const BOOTSTRAP_HOSTS = 3;

/**
 * A random run: trouble for a while, then good wires until all agree, then quiet. Replayable by its seed.
 *
 * @param hosts how many; by default the seed decides
 */
export function randomRun(seed: number, hosts = MIN_HOSTS + (seed % HOST_CHOICES)): Outcome {
  const trouble: Trouble = { ...TROUBLE, hosts };
  const world = new World(seed);
  const cluster = new Cluster(world, trouble);
  const { random } = world;
  const { invariants } = cluster;
  for (let index = 0; index < trouble.hosts; index++) cluster.start(index);
  world.run(3000);
  for (const node of world.running()) cluster.attachSome(node);
  while (world.nowMs < trouble.troubledMs) {
    cluster.trouble();
    world.run(random() * 2 * trouble.eventEveryMs);
  }
  cluster.end();
  const endedMs = world.nowMs;
  let differences = cluster.differences();
  while (differences.length > 0 && world.nowMs - endedMs < trouble.settleMs) {
    world.run(CHECK_EVERY_MS);
    differences = cluster.differences();
  }
  const settledMs = differences.length === 0 ? world.nowMs - endedMs : undefined;
  if (settledMs !== undefined) {
    world.run(QUIET_MS);
    differences = cluster.differences().map((text) => `after all had agreed: ${text}`);
  }
  differences = [...invariants.found, ...differences];
  return { seed, log: cluster.log, settledMs, differences, longestDeadMs: invariants.longestDeadMs, world };
}

class Cluster {
  readonly log: string[] = [];
  readonly invariants: Invariants;
  readonly #world: World;
  readonly #random: Random;
  readonly #networks: readonly string[];
  readonly #wanted = new Map<SimNode, Wanted>();
  readonly #hosts: number;
  #keys = 0;

  constructor(world: World, trouble: Trouble) {
    this.#world = world;
    this.#random = world.random;
    this.#hosts = trouble.hosts;
    this.#networks = Array.from({ length: trouble.networks }, (_, i) => `network${i}`.padEnd(25, '0'));
    this.invariants = new Invariants(world, this.#wanted);
    this.#look();
  }

  #look(): void {
    this.invariants.look();
    this.#world.at(this.#world.nowMs + LOOK_EVERY_MS, () => this.#look());
  }

  start(index: number): SimNode {
    const node = this.#world.start(index);
    this.#wanted.set(node, { networks: new Map() });
    const addresses = Array.from({ length: Math.min(BOOTSTRAP_HOSTS, this.#hosts) }, (_, i) => ({
      ip: `10.0.0.${i}`,
      port: 7946,
    }));
    this.#world.input(node, { kind: 'join', addresses });
    return node;
  }

  attachSome(node: SimNode): void {
    for (const network of this.#networks) if (this.#random() < 0.7) this.#attach(node, network);
  }

  differences(): string[] {
    return disagreements(this.#world.running(), this.#wanted);
  }

  /** Everything well again, and every host running. */
  end(): void {
    Object.assign(this.#world.wires, goodWires());
    for (const node of this.#world.nodes) node.pausedUntilMs = Math.min(node.pausedUntilMs, this.#world.nowMs);
    const up = new Set(this.#world.running().map((node) => node.index));
    for (let index = 0; index < this.#hosts; index++) if (!up.has(index)) this.attachSome(this.start(index));
    this.#say('trouble ends');
  }

  trouble(): void {
    const nodes = this.#world.running();
    const node = nodes[uniformInt(this.#random, 0, nodes.length)];
    if (node === undefined) return;
    const { networks } = this.#wanted.get(node) ?? { networks: new Map<string, Map<string, string>>() };
    const network = this.#networks[uniformInt(this.#random, 0, this.#networks.length)] ?? '';
    const rows = networks.get(network);
    const dice = this.#random();
    if (dice < 0.45) {
      if (rows === undefined) this.#attach(node, network);
      else this.#publish(node, network, rows);
    } else if (dice < 0.62) {
      const keys = [...(rows?.keys() ?? [])];
      const key = keys[uniformInt(this.#random, 0, keys.length)];
      if (rows !== undefined && key !== undefined) this.#withdraw(node, network, rows, key);
    } else if (dice < 0.67) this.#detach(node, network, networks);
    else if (dice < 0.72) this.#restart(node, nodes.length);
    else if (dice < 0.75) this.#leave(node, nodes.length);
    else if (dice < 0.8) this.#pause(node);
    else if (dice < 0.83) {
      const ms = (this.#random() - 0.5) * 2 * MAX_JUMP_MS;
      node.clockAheadMs += ms;
      this.#say(`clock of host ${node.index} jumps by ${Math.round(ms)} ms`);
    } else this.#disturbWires();
  }

  #attach(node: SimNode, network: string): void {
    this.#wanted.get(node)?.networks.set(network, new Map());
    this.#world.input(node, { kind: 'attach', network });
    this.#say(`host ${node.index} attaches ${network}`);
  }

  #detach(node: SimNode, network: string, networks: Map<string, Map<string, string>>): void {
    if (!networks.delete(network)) return;
    this.#world.input(node, { kind: 'detach', network });
    this.#say(`host ${node.index} detaches ${network}`);
  }

  #publish(node: SimNode, network: string, rows: Map<string, string>): void {
    const known = [...rows.keys()];
    // Mostly new rows, sometimes a new value for an old one.
    const again = this.#random() < 0.3 ? known[uniformInt(this.#random, 0, known.length)] : undefined;
    const key = again ?? `key${this.#keys++}`;
    const value = `v${this.#keys++}`;
    rows.set(key, value);
    this.#world.input(node, { kind: 'publish', network, table: TABLE, key, value: Buffer.from(value), as: 'create' });
    this.#say(`host ${node.index} publishes ${network}/${key}=${value}`);
  }

  #withdraw(node: SimNode, network: string, rows: Map<string, string>, key: string): void {
    rows.delete(key);
    this.#world.input(node, { kind: 'withdraw', network, table: TABLE, key });
    this.#say(`host ${node.index} withdraws ${network}/${key}`);
  }

  #restart(node: SimNode, running: number): void {
    if (running <= 2) return;
    this.#world.crash(node);
    this.#say(`host ${node.index} crashes`);
    const { index } = node;
    this.#world.at(this.#world.nowMs + this.#random() * 20_000, () => {
      if (this.#world.running().some((other) => other.index === index)) return;
      this.attachSome(this.start(index));
      this.#say(`host ${index} starts again`);
    });
  }

  #leave(node: SimNode, running: number): void {
    if (running <= 2) return;
    this.#world.input(node, { kind: 'leave' });
    this.#say(`host ${node.index} leaves`);
    this.#world.at(this.#world.nowMs + 7000, () => this.#world.crash(node));
  }

  #pause(node: SimNode): void {
    const ms = this.#random() * 8000;
    this.#world.pause(node, ms);
    this.#say(`host ${node.index} stops for ${Math.round(ms)} ms`);
  }

  #disturbWires(): void {
    const { wires } = this.#world;
    wires.loss = this.#random() < 0.5 ? 0 : this.#random() * 0.3;
    wires.duplicates = this.#random() < 0.5 ? 0 : this.#random() * 0.2;
    wires.maxDelayMs = this.#random() < 0.7 ? 5 : 5 + this.#random() * 400;
    wires.groups.clear();
    if (this.#random() < 0.4) {
      for (let index = 0; index < this.#hosts; index++) {
        if (this.#random() < 0.4) wires.groups.set(`10.0.0.${index}`, 1);
      }
    }
    const groups = [...wires.groups.keys()].join(' ');
    this.#say(`wires: loss ${wires.loss.toFixed(2)}, delay to ${Math.round(wires.maxDelayMs)} ms, apart: ${groups}`);
  }

  #say(text: string): void {
    this.log.push(`${(this.#world.nowMs / 1000).toFixed(3)} ${text}`);
  }
}
