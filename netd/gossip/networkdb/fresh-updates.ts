import type { Row } from './rows.ts';
import type { NetworkDbState } from './state.ts';

// The one update of a row says that its endpoint is about to stop. A bulk sync says every row as a new one: class A peers, which do
// not look at "disabled" in those, would add the names that are to go, and then refuse the gossip as old (spec gossip §14.5, §16).

/**
 * How long an update travels by gossip only: several times what gossip takes in a cluster of a thousand nodes, and as long
 * as a task is given to stop, unless its service says otherwise; then the row is deleted.
 */
const BY_GOSSIP_MS = 10_000;

/** Notes that the row, ours or another node's, came about by an update. */
export function noteUpdated(state: NetworkDbState, row: Row): void {
  state.updatedAtMs.set(row, state.io.nowMs);
}

/** Whether a bulk sync should leave the row out, since gossip is still telling its update. */
export function isUpdateFresh(state: NetworkDbState, row: Row): boolean {
  const atMs = state.updatedAtMs.get(row);
  return atMs !== undefined && state.io.nowMs - atMs < BY_GOSSIP_MS;
}
