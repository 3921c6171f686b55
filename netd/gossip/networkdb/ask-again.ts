import type { BulkSyncs } from './bulk-sync.ts';
import type { NetworkDbState, OwnNetwork } from './state.ts';

// A node answers a bulk sync only if it knows who asks (spec gossip §14.12). Where we have just joined the cluster, those we ask
// have not heard of us yet, and the regular rounds, half a minute later, would be the first to bring any rows.

/** How soon somebody else is asked when nobody has answered; the n-th time after n times that. */
const ASK_AGAIN_MS = 1000;
/** After these 15 s the regular rounds are near. */
const MAX_ATTEMPTS = 5;

/** Goes on asking one member after the other for the rows of a network until one of them has sent them. */
export function askUntilHeard(state: NetworkDbState, bulk: Pick<BulkSyncs, 'syncEach'>, network: string): void {
  const own = state.own.get(network);
  if (own === undefined || own.leaving) return;
  own.heard = false;
  askAgain(state, bulk, network, own, 1);
}

function askAgain(
  state: NetworkDbState,
  bulk: Pick<BulkSyncs, 'syncEach'>,
  network: string,
  own: OwnNetwork,
  attempt: number,
): void {
  const { io } = state;
  io.timers.at(io.nowMs + ASK_AGAIN_MS * attempt, () => {
    if (state.own.get(network) !== own || own.leaving || own.heard) return;
    bulk.syncEach([network], 1, () => undefined);
    if (attempt < MAX_ATTEMPTS) askAgain(state, bulk, network, own, attempt + 1);
  });
}
