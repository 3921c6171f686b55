import * as z from 'zod/mini';
import type * as documents from './documents.ts';
import { SCHEMA_VERSION } from './documents.ts';
import { gossip } from './gossip-schema.ts';
import { networks } from './network-schema.ts';
import type * as facts from './view.ts';
import {
  AVAILABILITIES,
  CLUSTER_STATES,
  ENGINE_STATES,
  JOIN_STEPS,
  NODE_ROLES,
  SEVERITIES,
  TASK_STATES,
} from './view.ts';

// The local API's documents as schemas: what a client believes only after checking. `satisfies` holds each to the type it
// stands for, so a field cannot be forgotten here. Fields nobody knows are let through: a newer agent may send more.

type Schema<T> = z.ZodMiniType<T>;

const text = z.string();
const count = z.number();
const moment = z.iso.datetime();
const maybeText = z.nullable(text);
const maybeMoment = z.nullable(moment);
const texts = z.record(z.string(), z.string());
const role = z.enum(NODE_ROLES);

const origin = z.enum(['flag', 'environment', 'file', 'default']);

const agent = z.object({
  version: text,
  pid: count,
  startedAt: moment,
  hostname: text,
  stateDir: text,
  runDir: text,
  configFile: maybeText,
  origins: z.object({
    'state-dir': origin,
    'run-dir': origin,
    engine: origin,
    'plugin-dir': origin,
    'metrics-addr': origin,
    'log-level': origin,
    'generic-resources': origin,
    labels: origin,
  }),
}) satisfies Schema<facts.AgentFact>;

const joining = z.object({ step: z.enum(JOIN_STEPS), attempt: count, address: maybeText, lastError: maybeText });

const cluster = z.object({
  state: z.enum(CLUSTER_STATES),
  since: moment,
  clusterId: maybeText,
  nodeId: maybeText,
  availability: z.nullable(z.enum(AVAILABILITIES)),
  desiredRole: z.nullable(role),
  labels: texts,
  joining: z.nullable(joining),
  // An agent that has not been restarted since an upgrade does not send it.
  joinError: z._default(z.nullable(z.object({ error: text, mend: maybeText })), null),
}) satisfies Schema<facts.ClusterFact>;

const session = z.object({
  manager: z.nullable(z.object({ nodeId: maybeText, addr: text })),
  since: maybeMoment,
  sessionIdPresent: z.boolean(),
  heartbeatPeriodMs: z.nullable(count),
  lastHeartbeatAt: maybeMoment,
  failures: count,
  lastError: maybeText,
  lastErrorAt: maybeMoment,
  nextAttemptAt: maybeMoment,
  duplicateIdentity: z.boolean(),
}) satisfies Schema<facts.SessionFact>;

const managers = z.array(z.object({ nodeId: maybeText, addr: text, weight: count })) satisfies Schema<
  readonly facts.ManagerFact[]
>;

const engine = z.object({
  state: z.enum(ENGINE_STATES),
  since: moment,
  address: text,
  version: maybeText,
  apiVersion: maybeText,
  minApiVersion: text,
  error: maybeText,
  liveRestore: z.nullable(z.boolean()),
  operatingSystem: maybeText,
  kernelVersion: maybeText,
  storageDriver: maybeText,
}) satisfies Schema<facts.EngineFact>;

const description = z.object({
  hostname: text,
  architecture: text,
  os: text,
  nanoCpus: count,
  memoryBytes: count,
  genericResources: z.array(z.object({ kind: text, value: z.union([text, count]) })),
  engineVersion: text,
  engineLabels: texts,
  plugins: z.array(z.object({ type: text, name: text })),
  sentAt: maybeMoment,
}) satisfies Schema<facts.DescriptionFact>;

const taskState = z.enum(TASK_STATES);

const task = z.object({
  id: text,
  name: text,
  serviceId: text,
  service: text,
  slot: count,
  image: text,
  desired: taskState,
  state: taskState,
  since: moment,
  message: text,
  err: text,
  containerId: maybeText,
  pid: z.nullable(count),
  exitCode: z.nullable(count),
  ports: z.array(z.object({ protocol: text, targetPort: count, publishedPort: count })),
}) satisfies Schema<facts.TaskFact>;

const certificate = z.object({
  nodeId: text,
  clusterId: text,
  role,
  issuer: text,
  serial: text,
  notBefore: moment,
  notAfter: moment,
  renewAt: maybeMoment,
  lastRenewalAttemptAt: maybeMoment,
  lastRenewalError: maybeText,
  rootFingerprints: z.array(text),
  rotating: z.boolean(),
}) satisfies Schema<facts.CertificateFact>;

const problem = z.object({
  severity: z.enum(SEVERITIES),
  code: text,
  what: text,
  mend: text,
  since: maybeMoment,
}) satisfies Schema<facts.Problem>;

const schemaVersion = z.literal(SCHEMA_VERSION);

export const statusSchema = z.object({
  schemaVersion,
  at: moment,
  agent,
  cluster,
  session,
  managers,
  engine,
  certificates: z.nullable(certificate),
  gossip,
  networks,
  tasks: z.object({ total: count, wanted: count, byState: z.partialRecord(taskState, count) }),
  outbox: z.object({ pending: count, oldestAt: maybeMoment }),
  storage: z.object({ error: maybeText, since: maybeMoment }),
  problems: z.array(problem),
}) satisfies Schema<documents.StatusDocument>;

export const nodeSchema = z.object({
  schemaVersion,
  at: moment,
  agent,
  cluster,
  session,
  managers,
  description: z.nullable(description),
  engine,
}) satisfies Schema<documents.NodeDocument>;

export const tasksSchema = z.object({
  schemaVersion,
  at: moment,
  tasks: z.array(task),
}) satisfies Schema<documents.TasksDocument>;

export const certsSchema = z.object({
  schemaVersion,
  at: moment,
  certificates: z.nullable(certificate),
}) satisfies Schema<documents.CertsDocument>;

export const versionSchema = z.object({
  schemaVersion,
  version: text,
  pid: count,
}) satisfies Schema<documents.VersionDocument>;

export const joinedSchema = z.object({
  schemaVersion,
  nodeId: text,
  clusterId: text,
}) satisfies Schema<documents.JoinDocument>;

export const leftSchema = z.object({ schemaVersion, left: z.boolean() }) satisfies Schema<documents.LeaveDocument>;

export const errorSchema = z.object({
  schemaVersion,
  error: z.object({ code: text, message: text, mend: maybeText }),
}) satisfies Schema<documents.ErrorDocument>;
