import { type FaultFact, type GossipDetail, type GossipFact, NO_GOSSIP } from '#agent/api/gossip-facts.ts';
import { isoTime } from '#agent/api/view.ts';
import { NetdError } from '#base/errors.ts';
import type { NodeGossip, Unreachable } from './node-gossip.ts';

/** The gossip of a joined node, in short. */
export function gossipFact(gossip: NodeGossip): GossipFact {
  const state = gossip.state();
  const fact: GossipFact = { ...NO_GOSSIP, state: 'waiting', keysRefused: gossip.refusedKeys() ?? null };
  switch (state.kind) {
    case 'waiting':
      return fact;
    case 'failing':
      return { ...fact, state: 'failing', since: isoTime(state.sinceMs), error: faultOf(state.error) };
    case 'running': {
      const node = state.node.summary();
      const unreachable = node.activePeers > 0 ? undefined : gossip.unreachable();
      const dataPath = gossip.dataPath();
      return {
        ...fact,
        state: node.activePeers > 0 ? 'joined' : 'searching',
        since: isoTime(state.sinceMs),
        unreachable: unreachable ? unreachableFact(unreachable) : null,
        dataPath: dataPath instanceof NetdError ? null : (dataPath ?? null),
        dataPathError: dataPath instanceof NetdError ? faultOf(dataPath) : null,
        node,
      };
    }
  }
}

/** The same in full: as much work as there are peers and rows. */
export function gossipDetail(gossip: NodeGossip | undefined, nowMs: number): GossipDetail {
  const view = gossip?.current()?.view();
  if (gossip === undefined || view === undefined) return { peers: [], networks: [] };
  const managers = new Set(gossip.managers());
  return {
    peers: view.peers.map(({ sinceMs, heardMs, status, ...peer }) => ({
      ...peer,
      manager: managers.has(hostOf(peer.address)),
      since: isoTime(nowMs - sinceMs),
      heardAt: heardMs === undefined ? null : isoTime(nowMs - heardMs),
      status: status ?? null,
    })),
    networks: view.networks,
  };
}

function unreachableFact({ addresses, reason, sinceMs }: Unreachable): GossipFact['unreachable'] {
  return { addresses, reason, since: isoTime(sinceMs) };
}

function faultOf({ code, message, mend }: NetdError): FaultFact {
  return { code, what: message, mend: mend ?? null };
}

/** `10.0.0.5` of `10.0.0.5:7946`, `fd00::5` of `[fd00::5]:7946`. */
function hostOf(address: string): string {
  return address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
}
