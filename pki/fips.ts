import { NetdError } from '#base/errors.ts';

/** Ids of clusters that take FIPS nodes only begin with this (spec swarmkit-worker §1.14). */
const FIPS_CLUSTER_PREFIX = 'FIPS.';

/** True if the cluster with this id (the O of its certificates) takes FIPS nodes only. */
export function clusterMandatesFips(clusterId: string): boolean {
  return clusterId.startsWith(FIPS_CLUSTER_PREFIX);
}

/**
 * Refuses a cluster that mandates FIPS on a runtime that is not in FIPS mode; managers do not enforce it, nodes do.
 * `runtimeFips` is `crypto.getFips() === 1`.
 *
 * @throws NetdError `fips-required`
 */
export function refuseMissingFips(mandated: boolean, runtimeFips: boolean): void {
  if (!mandated || runtimeFips) return;
  throw new NetdError('fips-required', 'this node is not FIPS-enabled but the cluster requires FIPS', {
    mend: 'Run netd with OpenSSL in FIPS mode (Node: --enable-fips with a FIPS provider), or join a cluster without FIPS.',
  });
}
