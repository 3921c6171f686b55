import type { Client } from '@grpc/grpc-js';
import type { Clock } from '#base/clock.ts';
import { NetdError } from '#base/errors.ts';
import { createNotifier } from '#base/notifier.ts';
import { ResourceAllocator } from '#proto/gen/swarmkit/resource_pb.js';
import { callUnary } from '#proto/grpc.ts';

/** Whichever manager this node has a session with, asked for places on networks (spec swarmkit-worker §5.8). */
export interface PlaceManagers {
  /** The connection of a session, and the signal that ends with it. */
  readonly setSession: (client: Client, signal: AbortSignal) => void;
  readonly hasSession: () => boolean;
  /**
   * Resolves when a manager has taken the question, and goes on asking until then: in the next session when this one ends. A
   * manager that was asked in vain may have made a task all the same.
   *
   * @param onTrouble told why it is not answered yet
   * @throws NetdError when the managers refuse; the signal's reason
   */
  readonly ask: (question: PlaceQuestion, onTrouble: (why: unknown) => void, signal: AbortSignal) => Promise<void>;
  /** Has the managers delete the task of a place; one that is deleted already is fine. @throws Error when they cannot be told */
  readonly giveBack: (taskId: string) => Promise<void>;
}

export interface PlaceQuestion {
  /** Name or id. */
  readonly network: string;
  readonly endpointId: string;
}

/** Longer than a manager needs to agree with the others. */
const CALL_LIMIT_MS = 20_000;
/** Managers that are choosing a leader say so at once. */
const RETRY_MS = 500;
/** What asking again, or another manager, does not change: gRPC status codes, of which §5.8 names the second and the third. */
const INVALID_ARGUMENT = 3;
const NOT_FOUND = 5;
const PERMISSION_DENIED = 7;
const UNIMPLEMENTED = 12;
const REFUSALS: ReadonlySet<unknown> = new Set([INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, UNIMPLEMENTED]);

export function createPlaceManagers(clock: Clock): PlaceManagers {
  const sessions = createNotifier();
  let session: { readonly client: Client; readonly signal: AbortSignal } | undefined;

  const noSession = () => new NetdError('no-session', 'this node has no session with a manager');

  return {
    setSession: (client, signal) => {
      const begun = { client, signal };
      session = begun;
      const end = () => {
        if (session === begun) session = undefined;
      };
      signal.addEventListener('abort', end, { once: true });
      sessions.notify();
    },
    hasSession: () => session !== undefined,
    ask: async ({ network, endpointId }, onTrouble, signal) => {
      for (;;) {
        while (session === undefined) {
          onTrouble(noSession());
          await sessions.wait(signal);
        }
        const inside = AbortSignal.any([signal, session.signal]);
        const request = { config: { target: network }, containerId: endpointId };
        try {
          await callUnary(session.client, ResourceAllocator.method.attachNetwork, request, {
            timeoutMs: CALL_LIMIT_MS,
            signal: inside,
          });
          return;
        } catch (error) {
          signal.throwIfAborted();
          if (REFUSALS.has(codeOf(error))) throw refusedBy(error, network);
          onTrouble(error);
        }
        // Without a session there is one to wait for; with this one still there, a moment.
        if (!inside.aborted) await clock.sleep(RETRY_MS, inside).catch(() => signal.throwIfAborted());
      }
    },
    giveBack: async (attachmentId) => {
      if (session === undefined) throw noSession();
      const limits = { timeoutMs: CALL_LIMIT_MS, signal: session.signal };
      try {
        await callUnary(session.client, ResourceAllocator.method.detachNetwork, { attachmentId }, limits);
      } catch (error) {
        if (codeOf(error) !== NOT_FOUND) throw error;
      }
    },
  };
}

/** What netd asks by where the engine's network is one of its own: ids are 25 characters of base36. */
const SWARM_ID = /^[0-9a-z]{25}$/;

function codeOf(error: unknown): unknown {
  return (error as { readonly code?: unknown } | null)?.code;
}

function refusedBy(error: unknown, network: string): NetdError {
  switch (codeOf(error)) {
    case NOT_FOUND:
      if (SWARM_ID.test(network)) {
        return new NetdError(
          'no-such-network',
          `the network the container was made for, ${network}, is gone from the swarm`,
          {
            mend: 'Take the container off it (docker network disconnect --force) and connect it to another one.',
            cause: error,
          },
        );
      }
      return new NetdError('no-such-network', `the swarm has no network ${network}`, {
        mend: `Make it on a manager: docker network create -d overlay --attachable ${network}`,
        cause: error,
      });
    case PERMISSION_DENIED:
      return new NetdError('not-attachable', `network ${network} is not attachable: only services can use it`, {
        mend: 'Make it with --attachable on a manager.',
      });
    default:
      return new NetdError('attach-failed', `the managers gave no address on ${network}`, { cause: error });
  }
}
