import type { Client } from '@grpc/grpc-js';
import type { DialLimits } from './dial.ts';
import type { Remotes } from './remotes.ts';
import { PEER_WEIGHT } from './weights.ts';

/** A connection to one manager, for the length of one exchange. */
export interface CaConnection {
  readonly client: Client;
  /** Counts how the exchange went for or against the manager, and closes the connection. */
  readonly done: (outcome: 'good' | 'bad') => void;
}

/** Deadline of every CA call and of every connection made for one (spec swarmkit-worker App. A). */
export const CA_TIMEOUT_MS = 5_000;

/** A function that connects to some manager, drawn by weight; after a failure it prefers another than the one that failed. */
export function caConnector(
  remotes: Remotes,
  dial: (address: string, limits: DialLimits) => Promise<Client>,
): (signal: AbortSignal) => Promise<CaConnection> {
  let failed: string | undefined;
  return async (signal) => {
    const peer = remotes.select(failed);
    const bad = () => {
      failed = peer.addr;
      remotes.observe(peer, -PEER_WEIGHT);
    };
    try {
      const client = await dial(peer.addr, { timeoutMs: CA_TIMEOUT_MS, signal });
      return {
        client,
        done: (outcome) => {
          if (outcome === 'good') remotes.observe(peer, PEER_WEIGHT);
          else bad();
          client.close();
        },
      };
    } catch (error) {
      if (!signal.aborted) bad();
      throw error;
    }
  };
}
