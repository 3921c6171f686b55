import { expect, it } from 'vitest';
import { DRIFT, NETWORKS } from '#agent/api/network.fixture.ts';
import { overlayMetrics } from './overlay-metrics.ts';
import { linesOf } from './samples.fixture.ts';

it('measures networks, drift and names', () => {
  expect(linesOf(overlayMetrics({ ...NETWORKS, drift: DRIFT }))).toEqual([
    'netd_overlay_driver_up 1',
    'netd_overlay_networks{state="waiting"} 0',
    'netd_overlay_networks{state="ready"} 2',
    'netd_overlay_networks{state="failed"} 0',
    'netd_overlay_networks{state="refused"} 0',
    'netd_overlay_endpoints 4',
    'netd_overlay_peers 16',
    'netd_overlay_peers_programmed 16',
    'netd_overlay_drift_repairs_total{unit="namespace"} 0',
    'netd_overlay_drift_repairs_total{unit="sysctl"} 0',
    'netd_overlay_drift_repairs_total{unit="link"} 2',
    'netd_overlay_drift_repairs_total{unit="address"} 0',
    'netd_overlay_drift_repairs_total{unit="neighbour"} 0',
    'netd_overlay_drift_repairs_total{unit="forwarding"} 7',
    'netd_overlay_drift_open 1',
    'netd_overlay_passes_total 40',
    'netd_overlay_failed_passes_total 1',
    'netd_dns_containers 3',
    'netd_dns_queries_total{outcome="answered"} 70',
    'netd_dns_queries_total{outcome="forwarded"} 28',
    'netd_dns_queries_total{outcome="malformed"} 2',
    'netd_dns_failed_total 3',
    'netd_dns_truncated_total 1',
    'netd_dns_ignored_total 4',
  ]);
});
