import { readdir } from 'node:fs/promises';
import { type MetricFamily, single } from './metric-family.ts';

/**
 * What this process uses, under the names Prometheus clients agree on. Only what the kernel and the runtime count
 * anyway: prom-client's own set keeps timers and observers going between scrapes (its event loop histogram wakes the process
 * a hundred times a second), the share of active time says how busy the loop is for nothing.
 */
export async function processMetrics(): Promise<readonly MetricFamily[]> {
  const { user, system } = process.cpuUsage(); // microseconds
  const openFds = (await readdir('/proc/self/fd')).length;
  return [
    single(
      'counter',
      'process_cpu_seconds_total',
      'Processor time used, in user and system mode.',
      (user + system) / 1e6,
    ),
    single('gauge', 'process_resident_memory_bytes', 'Memory in use (resident set).', process.memoryUsage.rss()),
    single('gauge', 'process_open_fds', 'File descriptors in use.', openFds),
    single(
      'counter',
      'netd_event_loop_active_seconds_total',
      'Time the event loop did not wait: a rate near 1 means that netd answers late.',
      performance.eventLoopUtilization().active / 1e3,
    ),
  ];
}
