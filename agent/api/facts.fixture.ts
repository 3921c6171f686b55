import { type GossipFact, NO_GOSSIP } from './gossip-facts.ts';
import { NO_NETWORKS } from './network-facts.ts';
import type { AgentFacts, CertificateFact, ClusterFact, EngineFact, SessionFact, TaskFact } from './view.ts';
import { isoTime } from './view.ts';

/** The moment at which the example facts are looked at. */
export const NOW_MS = Date.parse('2026-03-10T12:00:00.000Z');

/** A moment that long before NOW_MS. */
export function ago(ms: number): string {
  return isoTime(NOW_MS - ms);
}

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

export const CLUSTER: ClusterFact = {
  state: 'ready',
  since: ago(3 * HOUR),
  clusterId: 'q1w2e3r4t5y6u7i8o9p0a1s2d',
  nodeId: 'x9y8z7w6v5u4t3s2r1q0p9o8n',
  availability: 'active',
  desiredRole: 'worker',
  labels: { zone: 'b' },
  joining: null,
  joinError: null,
};

export const SESSION: SessionFact = {
  manager: { nodeId: 'm1a2b3c4d5e6f7g8h9i0j1k2l', addr: '10.77.1.1:2377' },
  since: ago(3 * HOUR),
  sessionIdPresent: true,
  heartbeatPeriodMs: 5_000,
  lastHeartbeatAt: ago(2 * SECOND),
  failures: 0,
  lastError: null,
  lastErrorAt: null,
  nextAttemptAt: null,
  duplicateIdentity: false,
};

export const ENGINE: EngineFact = {
  state: 'up',
  since: ago(9 * DAY),
  address: 'unix:///var/run/docker.sock',
  version: '26.1.5',
  apiVersion: '1.45',
  minApiVersion: '1.41',
  error: null,
  liveRestore: true,
  operatingSystem: 'Debian GNU/Linux 13 (trixie)',
  kernelVersion: '6.12.9-amd64',
  storageDriver: 'overlay2',
};

export const CERTIFICATE: CertificateFact = {
  nodeId: 'x9y8z7w6v5u4t3s2r1q0p9o8n',
  clusterId: 'q1w2e3r4t5y6u7i8o9p0a1s2d',
  role: 'worker',
  issuer: 'CN=swarm-ca',
  serial: '5D1B3A44C2',
  notBefore: ago(10 * DAY),
  notAfter: isoTime(NOW_MS + 80 * DAY),
  renewAt: isoTime(NOW_MS + 47 * DAY),
  lastRenewalAttemptAt: null,
  lastRenewalError: null,
  rootFingerprints: ['A1:B2:C3:D4:E5:F6:07:18:29:3A:4B:5C:6D:7E:8F:90:A1:B2:C3:D4:E5:F6:07:18:29:3A:4B:5C:6D:7E:8F:90'],
  rotating: false,
};

export const GOSSIP: GossipFact = {
  ...NO_GOSSIP,
  state: 'joined',
  since: ago(3 * HOUR),
  dataPath: { address: '10.77.1.5', port: 4789 },
  node: {
    name: '5f0c2a9be713',
    address: '10.77.1.5:7946',
    healthScore: 0,
    incarnation: 1,
    leaving: false,
    clocks: { network: '41', table: '977' },
    keys: { primary: '31007', others: ['31004', '31010'] },
    members: { alive: 3, suspect: 0, dead: 0, left: 0 },
    activePeers: 3,
    attached: 2,
    queues: { members: 0, networkEvents: 0, nodeEvents: 0, overflows: 0 },
    bulkSync: { queued: 0, sending: 0, awaited: 0, backlogBytes: 0 },
    rows: 24,
    refusedMessages: 0,
    counters: { tableEventsApplied: 120, bulkSyncsSent: 7 },
    facts: { joined: 1, peer: 3 },
  },
};

/** A healthy worker, three hours in its swarm, without tasks. */
export const READY: AgentFacts = {
  agent: {
    version: '0.1.0',
    pid: 4242,
    startedAt: ago(9 * DAY),
    hostname: 'worker-1',
    stateDir: '/var/lib/netd',
    runDir: '/run/netd',
    configFile: '/etc/netd/netd.yaml',
    origins: {
      'state-dir': 'default',
      'run-dir': 'default',
      engine: 'default',
      'plugin-dir': 'default',
      'metrics-addr': 'default',
      'log-level': 'file',
      'generic-resources': 'flag',
      labels: 'file',
    },
  },
  cluster: CLUSTER,
  session: SESSION,
  managers: [
    { nodeId: 'm1a2b3c4d5e6f7g8h9i0j1k2l', addr: '10.77.1.1:2377', weight: 10 },
    { nodeId: 'm2a2b3c4d5e6f7g8h9i0j1k2l', addr: '10.77.1.2:2377', weight: 10 },
    { nodeId: 'm3a2b3c4d5e6f7g8h9i0j1k2l', addr: '10.77.1.3:2377', weight: 5 },
  ],
  engine: ENGINE,
  description: {
    hostname: 'worker-1',
    architecture: 'x86_64',
    os: 'linux',
    nanoCpus: 8_000_000_000,
    memoryBytes: 33_567_890_432,
    genericResources: [
      { kind: 'gpu', value: 'UUID1' },
      { kind: 'gpu', value: 'UUID2' },
      { kind: 'ssd', value: 2 },
    ],
    engineVersion: '26.1.5',
    engineLabels: { storage: 'ssd' },
    plugins: [
      { type: 'Log', name: 'journald' },
      { type: 'Log', name: 'json-file' },
      { type: 'Network', name: 'bridge' },
      { type: 'Network', name: 'host' },
      { type: 'Network', name: 'overlay' },
      { type: 'Volume', name: 'local' },
    ],
    sentAt: ago(3 * HOUR),
  },
  tasks: [],
  certificates: CERTIFICATE,
  gossip: GOSSIP,
  networks: NO_NETWORKS,
  outbox: { pending: 0, oldestAt: null },
  storage: { error: null, since: null },
};

/** A node that has never joined, a minute after the agent started. */
export const NOT_JOINED: AgentFacts = {
  ...READY,
  agent: { ...READY.agent, startedAt: ago(MINUTE) },
  cluster: {
    ...CLUSTER,
    state: 'not-joined',
    since: ago(MINUTE),
    clusterId: null,
    nodeId: null,
    availability: null,
    desiredRole: null,
    labels: {},
  },
  session: {
    ...SESSION,
    manager: null,
    since: null,
    sessionIdPresent: false,
    heartbeatPeriodMs: null,
    lastHeartbeatAt: null,
  },
  managers: [],
  certificates: null,
  gossip: NO_GOSSIP,
};

export function task(slot: number, changes: Partial<TaskFact> = {}): TaskFact {
  const service = changes.service ?? 'web';
  const id = `${service}${slot}`.padEnd(25, '0');
  return {
    id,
    name: `${service}.${slot}.${id}`,
    serviceId: service.padEnd(25, 's'),
    service,
    slot,
    image: 'registry.example.org/shop/web:1.27@sha256:6c1d0e5f0a',
    desired: 'running',
    state: 'running',
    since: ago(2 * HOUR),
    message: 'started',
    err: '',
    containerId: `c0ffee${slot}`.padEnd(64, '0'),
    pid: 1000 + slot,
    exitCode: null,
    ports: [],
    ...changes,
  };
}
