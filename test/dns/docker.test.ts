import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '#base/clock.ts';
import { silentLogger } from '#base/log.ts';
import { seededRandom } from '#base/random.ts';
import { createDns, type Dns } from '#netd/dns/dns.ts';
import type { RowSource } from '#netd/dns/records.ts';
import type { SearchedNetwork } from '#netd/dns/search.ts';
import type { Endpoint } from '#netd/gossip/records.ts';
import { type Bed, createBed } from '#test/hosts/bed.ts';
import { checkRow } from './check-row.ts';
import { type DockerWorld, dockerWorld } from './docker-world.ts';
import { QUERY_TABLE, rowTitle } from './query-table.ts';
import { startUpstream, type Upstream } from './upstream.ts';

// The same questions to the resolvers of three versions of Docker, and to netd's in the namespaces of the same containers.

const ENGINES = [
  { engine: 'bookworm', version: '20' },
  { engine: 'trixie', version: '26' },
  { engine: 'sid', version: '28' },
] as const;

const PLAIN: SearchedNetwork = { id: 'plain-id', name: 'plain', internal: false, ingress: false, gatewayPriority: 0 };

describe.each(ENGINES)('the table of queries, Docker $version', ({ engine, version }) => {
  let bed: Bed;
  let upstream: Upstream;
  let world: DockerWorld;

  beforeAll(async () => {
    bed = await createBed({ engine });
    const host = await bed.host('docker');
    upstream = await startUpstream(`/proc/${host.pid}/ns/net`, host.address);
    world = await dockerWorld(host, upstream.address);
  });
  afterAll(async () => {
    await upstream?.[Symbol.asyncDispose]();
    await bed?.end();
  });

  it.each(QUERY_TABLE.map((row) => [rowTitle(row), row] as const))('its own resolver: %s', async (_, row) => {
    await checkRow(row, row.docker?.[version] ?? row.expect, world, world.addresses);
  });

  if (version === '28') describeNetd(() => ({ world, upstream }));
});

function describeNetd(place: () => { readonly world: DockerWorld; readonly upstream: Upstream }): void {
  describe('netd with the same records, in the same containers', () => {
    let dns: Dns;

    beforeAll(async () => {
      const { world, upstream } = place();
      dns = createDns({
        rows: rowsOf(PLAIN.id, world.rows),
        self: () => 'this-node',
        clock: systemClock,
        random: seededRandom(1),
        log: silentLogger,
      });
      const servers = { kind: 'explicit', addresses: [upstream.address] } as const;
      const common = { networks: [PLAIN], servers, internalOnly: false };
      await dns.attach({ ...common, sandboxKey: world.client, options: [] });
      await dns.attach({ ...common, sandboxKey: world.ndotsClient, options: ['ndots:1'] });
    });
    afterAll(() => dns?.close());

    it.each(QUERY_TABLE.map((row) => [rowTitle(row), row] as const))('%s', async (_, row) => {
      const { world } = place();
      await checkRow(row, row.netd ?? row.expect, world, world.addresses);
    });

    it('is who answered', () => {
      const counts = dns.status().containers.map(({ counters }) => counters.queries + counters.ignored);
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(QUERY_TABLE.length);
    });
  });
}

function rowsOf(network: string, rows: ReadonlyMap<string, Endpoint>): RowSource {
  const endpoints = [...rows].map(([key, value]) => ({ key, owner: 'other-node', value }));
  return {
    snapshot: (id) => (id === network ? { endpoints } : undefined),
    versions: () => [],
    watch: () => () => {},
  };
}
