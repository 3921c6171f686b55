import { ago, MINUTE, SECOND } from './facts.fixture.ts';
import type { DriftDetail, NetworkDetailFact, NetworksFact } from './network-facts.ts';
import { NO_NETWORKS } from './network-facts.ts';

/** An overlay network with that many containers here and other hosts. */
export function networkOf(
  containers: number,
  hosts: number,
  changes: Partial<NetworkDetailFact> = {},
): NetworkDetailFact {
  const up = (name: string) => ({ name, state: 'up' as const });
  return {
    id: 'k3q1z9y8x7w6v5u4t3s2r1q0p',
    name: 'shop',
    state: 'ready',
    reason: null,
    internal: false,
    mtu: 1450,
    namespace: '/run/netd/netns/ov-k3q1z9y8x7w6v5u4t3s2r1q0p',
    subnets: [
      {
        subnet: '10.0.1.0/24',
        gateway: '10.0.1.1',
        vni: 4097,
        bridge: up('ndb4f02ac91be'),
        vxlan: up('ndx4f02ac91be'),
      },
    ],
    endpoints: Array.from({ length: containers }, (_, i) => ({
      id: `${i}`.padEnd(64, '0'),
      container: `web.${i + 1}.x9y8z7w6v5u4t3s2r1q0p9o8n`,
      taskId: 'x9y8z7w6v5u4t3s2r1q0p9o8n',
      address: `10.0.1.${i + 5}/24`,
      mac: `02:42:0a:00:01:${(i + 5).toString(16).padStart(2, '0')}`,
      interface: 'eth0',
      sandbox: `/run/docker/netns/${i}`,
      port: up(`ndp${i}`),
      published: true,
      row: 'active',
    })),
    peers: Array.from({ length: hosts }, (_, i) => ({
      vtep: `10.77.1.${i + 1}`,
      nodes: [{ name: `b7702e6f${i.toString(16).padStart(4, '0')}`, state: 'alive' }],
      addresses: 3,
    })),
    rows: { known: hosts * 3, wanted: hosts * 3, programmed: hosts * 3, refused: {}, contested: [] },
    findings: [],
    hold: null,
    adoption: null,
    lastPass: { at: ago(4 * SECOND), tookMs: 3.2, ops: 0, failures: [] },
    drifted: 0,
    ...changes,
  };
}

export const DRIFT: DriftDetail = {
  total: 9,
  counts: { namespace: 0, sysctl: 0, link: 2, address: 0, neighbour: 0, forwarding: 7 },
  open: [
    {
      network: 'shop',
      what: 'ndx4f02ac91be is gone',
      since: ago(MINUTE),
      how: 'ip link add ndx4f02ac91be mtu 1450 type vxlan id 4097 dstport 4789 nolearning proxy',
      mendedAt: null,
      error: 'EEXIST (VXLAN number 4097 on UDP port 4789 is taken)',
    },
  ],
  recurring: [
    {
      network: 'shop',
      what: 'no forwarding row 02:42:0a:00:01:05 to 10.77.1.2 on ndx4f02ac91be',
      times: 7,
      since: ago(5 * MINUTE),
    },
  ],
  mended: Array.from({ length: 8 }, (_, i) => ({
    network: 'shop',
    what: i === 0 ? 'ndb4f02ac91be is down' : 'no forwarding row 02:42:0a:00:01:05 to 10.77.1.2 on ndx4f02ac91be',
    since: ago((8 - i) * 20 * SECOND),
    how:
      i === 0
        ? 'ip link set ndb4f02ac91be up'
        : 'bridge fdb replace 02:42:0a:00:01:05 dev ndx4f02ac91be dst 10.77.1.2 self permanent',
    mendedAt: ago((8 - i) * 20 * SECOND),
    error: null,
  })),
};

/** A host with two networks, both well. */
export const NETWORKS: NetworksFact = {
  ...NO_NETWORKS,
  networks: [
    {
      id: 'k3q',
      name: 'shop',
      state: 'ready',
      reason: null,
      endpoints: 3,
      remote: { wanted: 12, programmed: 12 },
      findings: [],
    },
    {
      id: 'l4r',
      name: 'back',
      state: 'ready',
      reason: null,
      endpoints: 1,
      remote: { wanted: 4, programmed: 4 },
      findings: [],
    },
  ],
  passes: { done: 40, failed: 1 },
  dns: {
    containers: 3,
    failed: [],
    counters: { queries: 100, answered: 70, forwarded: 28, failed: 3, truncated: 1, malformed: 2, ignored: 4 },
  },
};
