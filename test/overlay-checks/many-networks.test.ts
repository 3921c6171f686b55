import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DesiredNetwork } from '#netd/desired.ts';
import { eventually } from '#test/hosts/eventually.ts';
import { inside, NETWORK, Stage, type StageHost } from '#test/overlay/stage.ts';

/** C-30 of spec dataplane §10: one host that is on many networks, without an engine. */

const NETWORKS = 200;
const ROWS_EACH = 10;
/** The bound is five seconds, on a machine that has nothing else to do. */
const CONVERGED_MS = 10_000;

let stage: Stage;
let host: StageHost;

beforeAll(async () => {
  stage = await Stage.create(1);
  host = stage.host(1);
  host.networks = Array.from({ length: NETWORKS }, (_, i) => network(i));
});
afterAll(async () => {
  await stage[Symbol.asyncDispose]();
});

function network(number: number): DesiredNetwork {
  const subnet = { subnet: `10.101.${number}.0/24`, gateway: `10.101.${number}.1`, vni: 5000 + number };
  return { ...NETWORK, id: `net${number}`.padEnd(25, 'x'), name: `net${number}`, subnets: [subnet] };
}

test('C-30: 200 networks with 2,000 remote rows stand within seconds, and none of them loses a row', async () => {
  host.start();
  const other = stage.gossip.member('node2');
  for (const { id } of host.networks) other.attach(id);
  for (const [i, { id }] of host.networks.entries()) {
    const rows = Array.from({ length: ROWS_EACH }, (_, k) => {
      const mac = `02:42:0a:65:${hex(i)}:${hex(100 + k)}`;
      return [`k${i}-${k}`, { ip: `10.101.${i}.${100 + k}`, prefixLength: 24, mac, tunnelIp: '192.168.50.2' }] as const;
    });
    stage.gossip.peers('node2', id, rows);
  }
  const programmed = () => host.overlays.status().networks.filter(({ rows }) => rows.programmed === ROWS_EACH).length;
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  await Promise.all(
    host.networks.map(({ id }, i) =>
      host.overlays.createEndpoint({
        networkId: id,
        endpointId: `e${i}-`.padEnd(64, '0'),
        address: `10.101.${i}.9/24`,
      }),
    ),
  );
  await eventually('all stand', () => programmed() === NETWORKS, { timeoutMs: 60_000 });
  const tookMs = performance.now() - startMs;
  const { user, system } = process.cpuUsage(cpu);
  console.log(`C-30: ${NETWORKS} networks in ${tookMs.toFixed(0)} ms, CPU ${((user + system) / 1000).toFixed(0)} ms`);
  expect(tookMs).toBeLessThan(CONVERGED_MS);

  // Everything is looked at again while rows come and go on all of them: nothing is deleted that is wanted.
  host.overlays.setTables(host.tables);
  for (const [i, { id }] of host.networks.entries()) stage.gossip.remove(id, 'overlay_peer_table', `k${i}-0`);
  await eventually(
    'the rest is there',
    () => host.overlays.status().networks.every(({ rows }) => rows.programmed === ROWS_EACH - 1),
    { timeoutMs: 60_000 },
  );
  for (const { namespace, subnets } of host.overlays.status().networks) {
    const neighbours = await inside(
      namespace,
      'ip',
      'neigh',
      'show',
      'dev',
      subnets[0]?.vxlan.name ?? '',
      'nud',
      'permanent',
    );
    expect(neighbours.trim().split('\n')).toHaveLength(ROWS_EACH - 1);
  }
  expect(host.overlays.status()).toMatchObject({ drift: { open: [], total: 0 }, passes: { failed: 0 } });
});

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}
