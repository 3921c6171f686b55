import type { NetworkCreateBody } from '#agent/container/engine-bodies.ts';
import { networkMismatch, standsForAnother } from '#agent/container/network-match.ts';
import { SpecError } from '#agent/container/spec-error.ts';
import type { Engine } from '#agent/engine/engine.ts';
import { EngineError, isConflict } from '#agent/engine/engine-error.ts';
import type { Logger } from '#base/log.ts';

/** Engine networks that exist for the sake of tasks. */
export interface EngineNetworks {
  /** Makes the network unless it is there; throws SpecError if another one has its name. */
  readonly ensure: (wanted: NetworkCreateBody) => Promise<void>;
  /** Removes the network if it is ours and no container is on it. */
  readonly drop: (network: NetworkCreateBody) => Promise<void>;
}

export function createEngineNetworks(engine: Engine, log: Logger): EngineNetworks {
  // The engine takes no labels for a network made from a configuration network: only memory tells ours from an operator's.
  const made = new Set<string>();

  /** The engine does not mind two networks of one name when they are asked for at the same time. */
  const turns = new Map<string, Promise<unknown>>();
  const inTurn = <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const before = turns.get(name) ?? Promise.resolve();
    const mine = before.then(work, work);
    turns.set(name, mine);
    const over = () => {
      if (turns.get(name) === mine) turns.delete(name);
    };
    mine.then(over, over);
    return mine;
  };

  const create = async (wanted: NetworkCreateBody): Promise<void> => {
    try {
      await engine.createNetwork(wanted);
      made.add(wanted.Name);
    } catch (error) {
      if (!isConflict(error)) throw error; // made by another task in the same moment
    }
  };

  /** False while containers are on it. */
  const remove = async (network: string): Promise<boolean> => {
    try {
      await engine.removeNetwork(network);
      return true;
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      log.debug({ network, error: error.message }, 'network is still in use');
      return false;
    }
  };

  return {
    ensure: (wanted) =>
      inTurn(wanted.Name, async () => {
        let observed = await engine.inspectNetwork(wanted.Name);
        if (observed !== undefined && standsForAnother(wanted, observed) && (await remove(observed.Id))) {
          observed = undefined;
        }
        if (observed === undefined) {
          await create(wanted);
          observed = await engine.inspectNetwork(wanted.Name);
        }
        const mismatch = observed && networkMismatch(wanted, observed);
        if (mismatch) throw new SpecError(`network ${wanted.Name} exists on this node, but ${mismatch}`);
      }),
    drop: async (network) => {
      if (network.ConfigFrom !== undefined && !made.has(network.Name)) return;
      const found = await engine.inspectNetwork(network.Name);
      if (!found || networkMismatch(network, found) !== undefined) return;
      if (await remove(network.Name)) made.delete(network.Name);
    },
  };
}
