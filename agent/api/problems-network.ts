import type { FaultFact, GossipFact } from './gossip-facts.ts';
import type { AgentFacts, Problem } from './view.ts';

/** Keys come with the first message of a session, and peers answer within a second or two: nobody has to look before. */
const START_GRACE_MS = 10_000;
/** More addresses than this say no more than these do. */
const ADDRESSES_NAMED = 3;

/** What is wrong between this node and the other nodes' networks. */
export function networkProblems(facts: AgentFacts, nowMs: number): Problem[] {
  const { gossip } = facts;
  return [
    ...notRunning(gossip),
    ...withoutKeys(facts, nowMs),
    ...keysRefused(gossip),
    ...unreachable(facts, nowMs),
    ...dataPath(gossip),
  ];
}

function notRunning({ error, since }: GossipFact): Problem[] {
  if (error === null) return [];
  return [
    {
      severity: 'error',
      code: error.code,
      what: `the gossip between the nodes cannot start: ${error.what}`,
      mend: `${mendOf(error)} netd keeps trying.`,
      since,
    },
  ];
}

/** Without a session there are no keys either; then the session is what is wrong. */
function withoutKeys({ gossip, cluster }: AgentFacts, nowMs: number): Problem[] {
  if (gossip.state !== 'waiting' || cluster.state !== 'ready') return [];
  if (nowMs - Date.parse(cluster.since) < START_GRACE_MS) return [];
  return [
    {
      severity: 'warning',
      code: 'gossip-no-keys',
      what: 'no manager has sent the keys of the gossip between the nodes: overlay networks cannot work',
      mend: 'Look at the log of the managers; restarting the leader makes it hand them out again.',
      since: cluster.since,
    },
  ];
}

function keysRefused({ keysRefused: reason }: GossipFact): Problem[] {
  if (reason === null) return [];
  return [
    {
      severity: 'warning',
      code: 'gossip-keys-refused',
      what: `the last keys of the managers make no sense: ${reason}`,
      mend: 'The keys of before are used as long as the other nodes have them. Look at the log of the managers.',
      since: null,
    },
  ];
}

/** While no manager can be reached for a session either, that says it all. */
function unreachable({ gossip, cluster }: AgentFacts, nowMs: number): Problem[] {
  const failed = gossip.unreachable;
  if (gossip.state !== 'searching' || failed === null || cluster.state !== 'ready') return [];
  if (nowMs - Date.parse(failed.since) < START_GRACE_MS) return [];
  const named = failed.addresses.slice(0, ADDRESSES_NAMED).join(', ');
  const more = failed.addresses.length - ADDRESSES_NAMED;
  return [
    {
      severity: 'error',
      code: 'gossip-unreachable',
      what: `no other node can be reached by gossip: ${failed.reason}`,
      mend:
        `Open port 7946, TCP and UDP, in both directions between the nodes; tried ${named}` +
        `${more > 0 ? ` and ${more} more` : ''}. netd keeps trying.`,
      since: failed.since,
    },
  ];
}

function dataPath({ dataPathError: error }: GossipFact): Problem[] {
  if (error === null) return [];
  return [
    {
      severity: 'error',
      code: `data-path-${error.code}`,
      what: `overlay networks have no address to use: ${error.what}`,
      mend: mendOf(error),
      since: null,
    },
  ];
}

function mendOf({ mend }: FaultFact): string {
  return mend ?? 'The log of netd says more.';
}
