import type { NetworkQuestions } from '#agent/api/control.ts';
import type { GossipDetail } from '#agent/api/gossip-facts.ts';
import type { Clock } from '#base/clock.ts';
import { questionOf } from '#netd/dns/question.ts';
import type { NodeNetwork } from '#netd/node-network.ts';
import { dnsDetail, driftDetail, lookupDetail, networksDetail, pathDetail } from './network-fact.ts';

/** @param network the network of this host: there is one as long as anybody can ask */
export function networkQuestions(
  network: () => NodeNetwork,
  gossip: () => GossipDetail,
  clock: Clock,
): NetworkQuestions {
  return {
    networks: () => networksDetail(network().status(), gossip()),
    dns: () => dnsDetail(network().status()),
    drift: () => driftDetail(network().status(), clock.now()),
    lookup: ({ container, name, type }) => lookupDetail(network().lookup(container, ...questionOf(name, type))),
    path: async ({ from, to }) => pathDetail(await network().path(from, to)),
  };
}
