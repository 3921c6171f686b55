import type { Netd } from '#test/hosts/netd.ts';

/** What netd says of differences and of what it took over, in its log. */
export interface OverlayLog {
  /** Differences found and counted. */
  readonly drifted: number;
  readonly adoptions: readonly { readonly repairs: number; readonly destructive: number }[];
}

/** @param from length of the log before which nothing counts */
export function overlayLog(netd: Netd, from = 0): OverlayLog {
  let drifted = 0;
  const adoptions: { repairs: number; destructive: number }[] = [];
  for (const line of netd.log().slice(from).split('\n')) {
    if (!line.startsWith('{')) continue;
    const { msg, count, repairs, destructive } = JSON.parse(line);
    if (msg === 'overlay network was not as it should be') drifted += count;
    if (msg === 'overlay network adopted') adoptions.push({ repairs, destructive });
  }
  return { drifted, adoptions };
}
