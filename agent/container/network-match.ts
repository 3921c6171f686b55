import type Docker from 'dockerode';
import { NETD_DRIVER } from '#netd/driver/options.ts';
import type { NetworkCreateBody } from './engine-bodies.ts';
import { NETWORK_ID_LABEL } from './networks.ts';

type ObservedNetwork = Pick<Docker.NetworkInspectInfo, 'Driver' | 'ConfigFrom' | 'Labels'> &
  Partial<Pick<Docker.NetworkInspectInfo, 'Internal'>>;

/**
 * Whether the engine's network of that name is one that netd made for another swarm network: one of that name which is gone, or
 * of a swarm this host has left.
 */
export function standsForAnother(wanted: NetworkCreateBody, observed: ObservedNetwork): boolean {
  if (wanted.Driver !== NETD_DRIVER || observed.Driver !== NETD_DRIVER) return false;
  const id = observed.Labels?.[NETWORK_ID_LABEL];
  return id !== undefined && id !== wanted.Labels?.[NETWORK_ID_LABEL];
}

/**
 * Why the engine's network of that name cannot serve as the wanted one, or `undefined` if it can. "Already exists" is
 * success only for the same network: a swarm's networks and an operator's may share a name.
 */
export function networkMismatch(wanted: NetworkCreateBody, observed: ObservedNetwork): string | undefined {
  if (wanted.Driver !== observed.Driver) {
    return `it has the driver ${observed.Driver}, wanted is ${wanted.Driver}`;
  }
  const source = wanted.ConfigFrom?.Network ?? '';
  const observedSource = observed.ConfigFrom?.Network ?? '';
  if (source !== observedSource) {
    return `it is made from the configuration network "${observedSource}", wanted is "${source}"`;
  }
  // The engine refuses labels on networks made from a configuration network: there, the source is the whole identity.
  if (source !== '') return undefined;
  const observedId = observed.Labels?.[NETWORK_ID_LABEL];
  if (observedId === undefined) {
    // An operator makes one for containers of his own; by its driver it can only stand for the overlay of its name.
    if (wanted.Driver !== NETD_DRIVER) return 'it was not made by netd';
    return wanted.Internal === true && observed.Internal !== true ? 'it was made without --internal' : undefined;
  }
  const id = wanted.Labels?.[NETWORK_ID_LABEL];
  return observedId === id ? undefined : `it stands for another swarm network, ${observedId}`;
}
