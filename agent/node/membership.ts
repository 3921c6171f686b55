import type { JoiningFact } from '#agent/api/view.ts';
import type { JoinedNode } from './joined-node.ts';

/** Where this host is between not being part of a swarm and being part of one. */
export type Membership =
  | { readonly kind: 'none'; readonly sinceMs: number }
  | { readonly kind: 'joining'; readonly sinceMs: number; readonly progress: JoiningFact }
  | { readonly kind: 'joined'; readonly sinceMs: number; readonly node: JoinedNode; readonly life: Life }
  | { readonly kind: 'leaving'; readonly sinceMs: number; readonly node: JoinedNode };

/** The work of a joined node, and the means to end it. */
export interface Life {
  readonly stop: (reason: string) => Promise<void>;
}
