import type { JoinResult } from './control.ts';
import type { GossipDetail, GossipFact } from './gossip-facts.ts';
import type {
  DnsDetail,
  DriftDetail,
  LookupDetail,
  NetworksDetail,
  NetworksFact,
  PathDetail,
} from './network-facts.ts';
import type {
  AgentFact,
  AgentView,
  CertificateFact,
  ClusterFact,
  DescriptionFact,
  EngineFact,
  IsoTime,
  ManagerFact,
  OutboxFact,
  Problem,
  SessionFact,
  StorageFact,
  TaskFact,
  TaskStateName,
} from './view.ts';

/** Version of the documents' shape. Fields may be added under the same number; it grows when one goes or changes meaning. */
export const SCHEMA_VERSION = 1;

interface Document {
  readonly schemaVersion: typeof SCHEMA_VERSION;
  /** When the agent wrote it. */
  readonly at: IsoTime;
}

/** `GET /v1/status`: what one screen says. */
export interface StatusDocument extends Document {
  readonly agent: AgentFact;
  readonly cluster: ClusterFact;
  readonly session: SessionFact;
  readonly managers: readonly ManagerFact[];
  readonly engine: EngineFact;
  readonly certificates: CertificateFact | null;
  readonly gossip: GossipFact;
  readonly networks: NetworksFact;
  readonly tasks: TaskCounts;
  readonly outbox: OutboxFact;
  readonly storage: StorageFact;
  readonly problems: readonly Problem[];
}

export interface TaskCounts {
  readonly total: number;
  /** Tasks the manager wants to be running, or run to an end they have not reached. */
  readonly wanted: number;
  /** States that no task is in are left out. */
  readonly byState: Readonly<Partial<Record<TaskStateName, number>>>;
}

/** `GET /v1/node`: how this node is known to the swarm, and the engine under it. */
export interface NodeDocument extends Document {
  readonly agent: AgentFact;
  readonly cluster: ClusterFact;
  readonly session: SessionFact;
  readonly managers: readonly ManagerFact[];
  readonly description: DescriptionFact | null;
  readonly engine: EngineFact;
}

/** `GET /v1/tasks`: sorted by service, slot, then newest first. */
export interface TasksDocument extends Document {
  readonly tasks: readonly TaskFact[];
}

/** `GET /v1/certs`. */
export interface CertsDocument extends Document {
  readonly certificates: CertificateFact | null;
}

/** `GET /v1/gossip`. */
export interface GossipDocument extends Document, GossipDetail {
  readonly gossip: GossipFact;
}

/** `GET /v1/networks`. */
export interface NetworksDocument extends Document, NetworksDetail {}

/** `GET /v1/dns`. */
export interface DnsDocument extends Document, DnsDetail {}

/** `GET /v1/drift`. */
export interface DriftDocument extends Document, DriftDetail {}

/** `POST /v1/dns/lookup`. */
export interface LookupDocument extends Document, LookupDetail {}

/** `POST /v1/path`. */
export interface PathDocument extends Document, PathDetail {}

/** `GET /v1/version`. */
export interface VersionDocument {
  readonly schemaVersion: typeof SCHEMA_VERSION;
  readonly version: string;
  readonly pid: number;
}

/** `POST /v1/join`. */
export interface JoinDocument extends JoinResult {
  readonly schemaVersion: typeof SCHEMA_VERSION;
}

/** `POST /v1/leave`. */
export interface LeaveDocument {
  readonly schemaVersion: typeof SCHEMA_VERSION;
  /** False when there was no swarm to leave, but a join under way, which was given up. */
  readonly left: boolean;
}

/** What every route answers when it fails. */
export interface ErrorDocument {
  readonly schemaVersion: typeof SCHEMA_VERSION;
  readonly error: { readonly code: string; readonly message: string; readonly mend: string | null };
}

export function statusDocument(view: AgentView, at: IsoTime): StatusDocument {
  const { agent, cluster, session, managers, engine, certificates, gossip, networks } = view;
  const { outbox, storage, problems } = view;
  const tasks = countTasks(view.tasks);
  return {
    schemaVersion: SCHEMA_VERSION,
    at,
    agent,
    cluster,
    session,
    managers,
    engine,
    certificates,
    gossip,
    networks,
    tasks,
    outbox,
    storage,
    problems,
  };
}

export function nodeDocument(view: AgentView, at: IsoTime): NodeDocument {
  const { agent, cluster, session, managers, description, engine } = view;
  return { schemaVersion: SCHEMA_VERSION, at, agent, cluster, session, managers, description, engine };
}

export function tasksDocument(view: AgentView, at: IsoTime): TasksDocument {
  return { schemaVersion: SCHEMA_VERSION, at, tasks: view.tasks.toSorted(byServiceSlotAge) };
}

export function certsDocument(view: AgentView, at: IsoTime): CertsDocument {
  return { schemaVersion: SCHEMA_VERSION, at, certificates: view.certificates };
}

export function gossipDocument(view: AgentView, detail: GossipDetail, at: IsoTime): GossipDocument {
  return { schemaVersion: SCHEMA_VERSION, at, gossip: view.gossip, ...detail };
}

/** Any of the details that come as they are. */
export function detailDocument<T extends object>(detail: T, at: IsoTime): Document & T {
  return { schemaVersion: SCHEMA_VERSION, at, ...detail };
}

function countTasks(tasks: readonly TaskFact[]): TaskCounts {
  const byState: Partial<Record<TaskStateName, number>> = {};
  for (const task of tasks) byState[task.state] = (byState[task.state] ?? 0) + 1;
  return { total: tasks.length, wanted: tasks.filter(isWanted).length, byState };
}

function isWanted(task: TaskFact): boolean {
  return (task.desired === 'running' || task.desired === 'complete') && task.state !== 'complete';
}

function byServiceSlotAge(a: TaskFact, b: TaskFact): number {
  if (a.service !== b.service) return a.service < b.service ? -1 : 1;
  return a.slot - b.slot || Date.parse(b.since) - Date.parse(a.since);
}
