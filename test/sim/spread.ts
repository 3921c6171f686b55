import { uniformInt } from '#base/random.ts';
import { TABLE } from './agreement.ts';
import { NETWORK, settledWorld } from './settled.ts';
import type { Traffic, World } from './world.ts';

export interface SpreadOptions {
  readonly seed: number;
  readonly nodes: number;
  /** How many of them are on the network the events are about. */
  readonly onNetwork: number;
  readonly events: number;
  readonly loss: number;
  /** Simulated time between two events, each at a random node. */
  readonly everyMs: number;
  /** With streams rows also travel by bulk sync; without, what arrives arrived by gossip alone. */
  readonly streams: boolean;
}

export interface Spread {
  /** Time from publishing until a node had the row, for every node and event, ascending. */
  readonly delaysMs: Float64Array;
  /** Time until the last node had it, for each event, ascending; infinite if one never got it. */
  readonly completeMs: Float64Array;
  /** Events that did not reach everybody. */
  readonly incomplete: number;
  readonly traffic: Traffic;
  readonly simulatedMs: number;
  readonly world: World;
}

/** How long the last event is given. */
const TAIL_MS = 10_000;
/** Rows kept at a time: old ones are withdrawn, so that tables stay small. */
const WINDOW = 2000;

/** Publishes events in a settled cluster and notes when each node gets each. */
export function measureSpread(options: SpreadOptions): Spread {
  const world = settledWorld(options.seed, options.nodes, options.onNetwork);
  Object.assign(world.wires, { loss: options.loss, streams: options.streams });
  const others = options.onNetwork - 1;
  const startedMs = new Float64Array(options.events);
  const reached = new Uint32Array(options.events);
  const completeMs = new Float64Array(options.events).fill(Number.POSITIVE_INFINITY);
  const delays: number[] = [];
  world.onChanges = (_, changes) => {
    for (const { key, before, after } of changes) {
      if (before !== undefined || after === undefined) continue;
      const event = Number(key.slice(1));
      const delayMs = world.nowMs - (startedMs[event] ?? 0);
      if (delayMs === 0) continue;
      delays.push(delayMs);
      const count = (reached[event] ?? 0) + 1;
      reached[event] = count;
      if (count === others) completeMs[event] = delayMs;
    }
  };
  world.run(1000);
  const owners: number[] = [];
  for (let event = 0; event < options.events; event++) {
    const index = uniformInt(world.random, 0, options.onNetwork);
    owners.push(index);
    startedMs[event] = world.nowMs;
    publish(world, index, event);
    const old = event - WINDOW;
    if (old >= 0) withdraw(world, owners[old] ?? 0, old);
    world.run(options.everyMs);
  }
  world.run(TAIL_MS);
  return {
    delaysMs: Float64Array.from(delays).sort(),
    completeMs: completeMs.sort(),
    incomplete: completeMs.filter((ms) => !Number.isFinite(ms)).length,
    traffic: world.traffic,
    simulatedMs: world.nowMs,
    world,
  };
}

export function quantile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** About as large as the rows Docker writes. */
const VALUE = Buffer.alloc(100, 7);

function publish(world: World, index: number, event: number): void {
  const node = world.nodes[index];
  if (node === undefined) return;
  world.input(node, { kind: 'publish', network: NETWORK, table: TABLE, key: `k${event}`, value: VALUE, as: 'create' });
}

function withdraw(world: World, index: number, event: number): void {
  const node = world.nodes[index];
  if (node !== undefined) world.input(node, { kind: 'withdraw', network: NETWORK, table: TABLE, key: `k${event}` });
}
