import { systemClock } from '#base/clock.ts';
import { createLogger } from '#base/log.ts';
import { createDns } from '#netd/dns/dns.ts';
import type { Endpoint } from '#netd/gossip/records.ts';

// netd's resolver alone, as a process of its own: node resolver.fixture.ts NAMESPACE SERVER

const [, , sandboxKey = '', server = ''] = process.argv;
const NETWORK = 'bench-network-id';

const endpoints = Array.from({ length: 10 }, (_, i): { key: string; owner: string; value: Endpoint } => ({
  key: `endpoint${i}`,
  owner: 'other-node',
  value: {
    name: `web.${i + 1}.abcdefghijklmnopqrstuvwxy`,
    service: { id: 'service-id', name: 'web' },
    virtualIp: '10.0.1.2',
    ip: `10.0.1.${10 + i}`,
    ingressPorts: [],
    aliases: [],
    taskAliases: [],
    disabled: false,
  },
}));
const dns = createDns({
  rows: { snapshot: () => ({ endpoints }), versions: () => [], watch: () => () => {} },
  self: () => 'this-node',
  clock: systemClock,
  random: Math.random,
  log: createLogger('warn'),
});
await dns.attach({
  sandboxKey,
  networks: [{ id: NETWORK, name: 'bench', internal: false, ingress: false, gatewayPriority: 0 }],
  servers: { kind: 'explicit', addresses: [server] },
  options: [],
  internalOnly: false,
});
process.stdout.write('ready\n');
