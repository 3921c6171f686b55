import type { Origin, SettingKey } from '#agent/config/config.ts';
import type { GossipFact } from './gossip-facts.ts';
import type { IsoTime } from './iso-time.ts';
import type { NetworksFact } from './network-facts.ts';

export type { IsoTime } from './iso-time.ts';

/**
 * Everything that can be said about this agent at one moment: plain frozen data, nothing optional (what does not apply is
 * null), so that it is the same value in memory, in the local API's JSON and in the hands of a renderer.
 *
 * The agent gathers the facts; `problemsOf` (problems.ts) adds what is wrong and what to do.
 */
export interface AgentView extends AgentFacts {
  readonly problems: readonly Problem[];
}

export interface AgentFacts {
  readonly agent: AgentFact;
  readonly cluster: ClusterFact;
  readonly session: SessionFact;
  /** The managers known, by node id. */
  readonly managers: readonly ManagerFact[];
  readonly engine: EngineFact;
  /** The node description as last sent, or as it would be sent; null until the engine has been asked. */
  readonly description: DescriptionFact | null;
  readonly tasks: readonly TaskFact[];
  /** Null while the node has no certificate. */
  readonly certificates: CertificateFact | null;
  readonly gossip: GossipFact;
  readonly networks: NetworksFact;
  readonly outbox: OutboxFact;
  readonly storage: StorageFact;
}

/** The process. */
export interface AgentFact {
  readonly version: string;
  readonly pid: number;
  readonly startedAt: IsoTime;
  readonly hostname: string;
  readonly stateDir: string;
  readonly runDir: string;
  readonly configFile: string | null;
  /** Where each setting came from. */
  readonly origins: Readonly<Record<SettingKey, Origin>>;
}

/**
 * - `not-joined`: no identity on disk.
 * - `joining`: a join is under way; `joining` tells how far.
 * - `connecting`: joined, no session yet since the process started.
 * - `ready`: registered at a manager.
 * - `disconnected`: the session was lost; another one is being sought.
 * - `removed`: the managers say that this node is no longer part of the swarm.
 * - `certificate-expired`: managers can no longer be talked to.
 * - `leaving`: tasks are being stopped, then the state is wiped.
 */
export const CLUSTER_STATES = [
  'not-joined',
  'joining',
  'connecting',
  'ready',
  'disconnected',
  'removed',
  'certificate-expired',
  'leaving',
] as const;
export type ClusterState = (typeof CLUSTER_STATES)[number];

export const AVAILABILITIES = ['active', 'pause', 'drain'] as const;
export type Availability = (typeof AVAILABILITIES)[number];

export const NODE_ROLES = ['worker', 'manager'] as const;
export type NodeRole = (typeof NODE_ROLES)[number];

/** This node's place in the swarm, and what the operator of the swarm wants of it. */
export interface ClusterFact {
  readonly state: ClusterState;
  /** Since when it has been in that state. */
  readonly since: IsoTime;
  readonly clusterId: string | null;
  readonly nodeId: string | null;
  /** As the manager last said; null before the first session message. */
  readonly availability: Availability | null;
  /** `manager` after `docker node promote`: netd stays a worker and says so. */
  readonly desiredRole: NodeRole | null;
  /** Node labels (`docker node update --label-add`), set on the manager. */
  readonly labels: Readonly<Record<string, string>>;
  /** How far a join has come; null when none is under way. */
  readonly joining: JoiningFact | null;
  /** Why the last join came to nothing; null if it did not, or was given up, or something was joined since. */
  readonly joinError: JoinErrorFact | null;
}

/** What `netd join` may not have been there to say: a join goes on when the command has stopped waiting. */
export interface JoinErrorFact {
  readonly error: string;
  readonly mend: string | null;
}

export const JOIN_STEPS = ['root-ca', 'certificate', 'session'] as const;
/** `root-ca`: fetching and pinning the root; `certificate`: asking for one; `session`: registering for the first time. */
export type JoinStep = (typeof JOIN_STEPS)[number];

export interface JoiningFact {
  readonly step: JoinStep;
  /** 1 for the first try of this step. */
  readonly attempt: number;
  /** The address being tried. */
  readonly address: string | null;
  readonly lastError: string | null;
}

export interface SessionFact {
  /** The manager of the present session; null without one. */
  readonly manager: { readonly nodeId: string | null; readonly addr: string } | null;
  readonly since: IsoTime | null;
  /** Whether there is a session id to resume with. The id itself is a credential of sorts and is not shown. */
  readonly sessionIdPresent: boolean;
  /** What the manager last asked for. */
  readonly heartbeatPeriodMs: number | null;
  /** When the manager last answered a heartbeat. */
  readonly lastHeartbeatAt: IsoTime | null;
  /** Sessions that failed since the last one that registered. */
  readonly failures: number;
  readonly lastError: string | null;
  readonly lastErrorAt: IsoTime | null;
  readonly nextAttemptAt: IsoTime | null;
  /** Sessions keep being taken over right after they register: someone else has this node's key (spec swarmkit-worker §3.4). */
  readonly duplicateIdentity: boolean;
}

export interface ManagerFact {
  /** Null for an address given to join, until a session message names its node. */
  readonly nodeId: string | null;
  readonly addr: string;
  readonly weight: number;
}

export const ENGINE_STATES = [
  'connecting',
  'up',
  'down',
  'stuck',
  'not-an-engine',
  'too-old',
  'in-swarm-mode',
] as const;
/**
 * `connecting`: not asked yet. `down`: no answer at the address. `stuck`: it takes calls there and does not answer them.
 * `not-an-engine`: something else answers there. `too-old`: its API is older than netd needs. `in-swarm-mode`: it is itself a
 * node of a swarm, and netd leaves it alone.
 */
export type EngineState = (typeof ENGINE_STATES)[number];

export interface EngineFact {
  readonly state: EngineState;
  readonly since: IsoTime;
  readonly address: string;
  readonly version: string | null;
  readonly apiVersion: string | null;
  /** The least API version netd works with. */
  readonly minApiVersion: string;
  readonly error: string | null;
  readonly liveRestore: boolean | null;
  readonly operatingSystem: string | null;
  readonly kernelVersion: string | null;
  readonly storageDriver: string | null;
}

export interface DescriptionFact {
  readonly hostname: string;
  readonly architecture: string;
  readonly os: string;
  readonly nanoCpus: number;
  readonly memoryBytes: number;
  readonly genericResources: readonly { readonly kind: string; readonly value: string | number }[];
  readonly engineVersion: string;
  readonly engineLabels: Readonly<Record<string, string>>;
  readonly plugins: readonly { readonly type: string; readonly name: string }[];
  /** When a manager last took it; null if none has yet. */
  readonly sentAt: IsoTime | null;
}

/** SwarmKit's task states in their order; `remove` only ever is desired (spec swarmkit-worker §4.1). */
export const TASK_STATES = [
  'new',
  'pending',
  'assigned',
  'accepted',
  'preparing',
  'ready',
  'starting',
  'running',
  'complete',
  'shutdown',
  'failed',
  'rejected',
  'remove',
  'orphaned',
] as const;
export type TaskStateName = (typeof TASK_STATES)[number];

export interface TaskFact {
  readonly id: string;
  /** Docker's name of it: `service.slot.id`, or `service.node.id` for a global service. */
  readonly name: string;
  readonly serviceId: string;
  readonly service: string;
  /** 0 for a task of a global service. */
  readonly slot: number;
  readonly image: string;
  readonly desired: TaskStateName;
  readonly state: TaskStateName;
  /** When it entered that state. */
  readonly since: IsoTime;
  readonly message: string;
  /** What went wrong; empty if nothing did. */
  readonly err: string;
  readonly containerId: string | null;
  readonly pid: number | null;
  readonly exitCode: number | null;
  /** Ports published on this host. */
  readonly ports: readonly PortFact[];
}

export interface PortFact {
  readonly protocol: string;
  readonly targetPort: number;
  readonly publishedPort: number;
}

export interface CertificateFact {
  readonly nodeId: string;
  readonly clusterId: string;
  /** The role the certificate was issued for. */
  readonly role: NodeRole;
  /** Subject of the issuing CA, such as `CN=swarm-ca`. */
  readonly issuer: string;
  /** Upper-case hexadecimal. */
  readonly serial: string;
  readonly notBefore: IsoTime;
  readonly notAfter: IsoTime;
  readonly renewAt: IsoTime | null;
  readonly lastRenewalAttemptAt: IsoTime | null;
  /** Why the last attempt failed; null if it did not. */
  readonly lastRenewalError: string | null;
  /** SHA-256 of each trusted root certificate, colon-separated upper-case hexadecimal. */
  readonly rootFingerprints: readonly string[];
  /** The swarm's CA is being replaced (`docker swarm ca --rotate`). */
  readonly rotating: boolean;
}

/** Task statuses the manager has not taken yet. */
export interface OutboxFact {
  readonly pending: number;
  readonly oldestAt: IsoTime | null;
}

/** Whether state reaches the disk. */
export interface StorageFact {
  readonly error: string | null;
  readonly since: IsoTime | null;
}

export const SEVERITIES = ['error', 'warning', 'info'] as const;
/** `error`: the node does not do its work. `warning`: it will stop doing it, or part of it. `info`: worth knowing. */
export type Severity = (typeof SEVERITIES)[number];

export interface Problem {
  readonly severity: Severity;
  /** Stable name for programs, such as `engine-down`. */
  readonly code: string;
  /** One sentence: what is wrong. */
  readonly what: string;
  /** One sentence: what to do about it. */
  readonly mend: string;
  readonly since: IsoTime | null;
}

/** The moment as an IsoTime. */
export function isoTime(ms: number): IsoTime {
  return new Date(ms).toISOString();
}

/** The same for what may be missing. */
export function isoTimeOrNull(ms: number | null | undefined): IsoTime | null {
  return ms === null || ms === undefined ? null : isoTime(ms);
}
