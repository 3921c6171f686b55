import type { JoinErrorFact, JoiningFact } from '#agent/api/view.ts';
import { errorText, isNetdError, NetdError } from '#base/errors.ts';
import type { JoinedNode } from './joined-node.ts';

/** Where this host is between not being part of a swarm and being part of one. */
export type Membership =
  | { readonly kind: 'none'; readonly sinceMs: number; readonly joinError: JoinErrorFact | null }
  | { readonly kind: 'joining'; readonly sinceMs: number; readonly progress: JoiningFact }
  | { readonly kind: 'joined'; readonly sinceMs: number; readonly node: JoinedNode; readonly life: Life }
  | { readonly kind: 'leaving'; readonly sinceMs: number; readonly node: JoinedNode };

/** The work of a joined node, and the means to end it. */
export interface Life {
  readonly stop: (reason: string) => Promise<void>;
}

/** The code of the error that ends a join when this node is told to leave. */
export const GIVEN_UP = 'join-given-up';

/** Why nothing else can be done with the membership just now. */
export function busy(changing: 'starting' | 'joining' | 'leaving'): NetdError {
  switch (changing) {
    case 'starting':
      return new NetdError('agent-starting', 'the agent is just starting', { mend: 'Try again in a moment.' });
    case 'joining':
      return new NetdError('join-in-progress', 'a join is under way already', {
        mend: 'Watch it with "netd status"; "netd leave" gives it up.',
      });
    case 'leaving':
      return new NetdError('leave-in-progress', 'this node is leaving its swarm', {
        mend: 'Watch it with "netd status".',
      });
  }
}

/** What is left of a join that came to nothing: why, unless somebody wanted it so. */
export function afterFailedJoin(error: unknown, sinceMs: number): Membership {
  const mend = error instanceof NetdError ? (error.mend ?? null) : null;
  const joinError = isNetdError(error, GIVEN_UP) ? null : { error: errorText(error), mend };
  return { kind: 'none', sinceMs, joinError };
}
