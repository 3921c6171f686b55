import { describe, expect, it } from 'vitest';
import { detailDocument } from '#agent/api/documents.ts';
import { networksSchema, networks as summarySchema } from '#agent/api/network-schema.ts';
import { newCounters } from '#netd/dns/counters.ts';
import type { NodeNetworkStatus } from '#netd/node-network.ts';
import type { Drift } from '#netd/overlay/drift.ts';
import { dnsDetail, driftDetail, networksDetail, networksFact } from './network-fact.ts';

const NOW_MS = Date.parse('2026-03-10T12:00:00.000Z');
const SANDBOX = '/run/docker/netns/a';
const ENDPOINT = {
  networkId: 'net',
  endpointId: 'e'.repeat(64),
  address: '10.0.0.5/24',
  mac: '02:42:0a:00:00:05',
  sandboxKey: SANDBOX,
  interfaceName: undefined,
};
const mended = (agoMs: number, what = 'ndx0 is down'): Drift => ({
  network: 'net',
  what,
  sinceMs: NOW_MS - agoMs,
  how: 'ip link set ndx0 up',
  mendedMs: NOW_MS - agoMs,
  error: undefined,
});

function statusOf(drifts: readonly Drift[]): NodeNetworkStatus {
  const port = { name: 'ndp0', state: 'up' } as const;
  return {
    driverProblem: undefined,
    overlays: {
      hasGossip: true,
      networks: [
        {
          id: 'net',
          name: 'app',
          state: 'ready',
          reason: undefined,
          namespace: '/run/netd/netns/ov-net',
          mtu: 1450,
          internal: false,
          subnets: [],
          endpoints: [{ ...ENDPOINT, port, isPeerPublished: true, endpointRow: 'active' }],
          peers: [{ vtep: '192.0.2.2', owners: ['n2', 'n3'], addresses: 2 }],
          rows: { known: 2, wanted: 2, programmed: 2, refused: { 'bad-mac': 1 }, contested: [] },
          findings: [],
          hold: undefined,
          adoption: undefined,
          lastPass: { atMs: NOW_MS, tookMs: 2, ops: 1, failures: [], linkFailure: undefined },
          drifted: 3,
        },
      ],
      drift: {
        open: [],
        mended: drifts,
        total: 3,
        counts: { namespace: 0, sysctl: 0, link: 3, address: 0, neighbour: 0, forwarding: 0 },
      },
      passes: { done: 5, failed: 1 },
    },
    dns: {
      hostServers: ['192.0.2.53'],
      containers: [
        {
          sandboxKey: SANDBOX,
          state: 'failed',
          error: 'EPERM',
          networks: [{ id: 'net', name: 'app', names: 2 }],
          servers: [],
          internalOnly: false,
          ndotsExplicit: false,
          waiting: 0,
          repairs: 0,
          counters: newCounters(),
        },
      ],
      counters: { ...newCounters(), answered: 9 },
    },
    containers: [
      { sandboxKey: SANDBOX, name: 'web.1.t', taskId: 't', service: 'web', aliases: [], endpoints: [ENDPOINT] },
    ],
  };
}

describe('what is shown of the network', () => {
  it('names containers and nodes, and is what the local API promises', () => {
    const peers = [{ name: 'n2', state: 'suspect' }] as unknown as Parameters<typeof networksDetail>[1]['peers'];
    const detail = networksDetail(statusOf([]), { peers });
    expect(detail.networks[0]).toMatchObject({
      endpoints: [{ container: 'web.1.t', taskId: 't', interface: null, published: true }],
      peers: [
        {
          nodes: [
            { name: 'n2', state: 'suspect' },
            { name: 'n3', state: 'forgotten' },
          ],
        },
      ],
      hold: null,
      lastPass: { at: '2026-03-10T12:00:00.000Z', ops: 1 },
    });
    const document = detailDocument(detail, new Date(NOW_MS).toISOString());
    expect(networksSchema.parse(JSON.parse(JSON.stringify(document)))).toEqual(document);
    const fact = networksFact(statusOf([]), NOW_MS);
    expect(summarySchema.parse(JSON.parse(JSON.stringify(fact)))).toEqual(fact);
    expect(fact.dns).toMatchObject({ failed: [{ container: 'web.1.t', error: 'EPERM' }], counters: { answered: 9 } });
    expect(dnsDetail(statusOf([])).containers).toMatchObject([{ container: 'web.1.t', taskId: 't', error: 'EPERM' }]);
  });

  it('calls drift recurring that came back three times within ten minutes', () => {
    const recurringOf = (...drifts: readonly Drift[]) => driftDetail(statusOf(drifts), NOW_MS).recurring;
    expect(recurringOf(mended(1000), mended(2000))).toEqual([]);
    expect(recurringOf(mended(601_000), mended(2000), mended(1000))).toEqual([]);
    expect(recurringOf(mended(3000), mended(2000, 'another'), mended(2000), mended(1000))).toEqual([
      { network: 'app', what: 'ndx0 is down', times: 3, since: '2026-03-10T11:59:57.000Z' },
    ]);
  });
});
