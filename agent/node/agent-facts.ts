import { timestampMs } from '@bufbuild/protobuf/wkt';
import { NO_GOSSIP } from '#agent/api/gossip-facts.ts';
import { NO_NETWORKS } from '#agent/api/network-facts.ts';
import {
  type AgentFacts,
  AVAILABILITIES,
  type ClusterFact,
  type ClusterState,
  isoTime,
  isoTimeOrNull,
  type OutboxFact,
  type SessionFact,
} from '#agent/api/view.ts';
import type { AgentConfig } from '#agent/config/config.ts';
import type { EngineState } from '#agent/engine/engine-watch.ts';
import type { Outbox } from '#agent/tasks/outbox.ts';
import type { NodeNetworkStatus } from '#netd/node-network.ts';
import { NodeRole } from '#proto/gen/swarmkit/types_pb.js';
import { certificateFact } from './certificate-fact.ts';
import { descriptionFact } from './description-fact.ts';
import { engineFact } from './engine-fact.ts';
import { gossipFact } from './gossip-fact.ts';
import type { JoinedNode } from './joined-node.ts';
import type { Membership } from './membership.ts';
import { networksFact } from './network-fact.ts';
import { taskFact } from './task-fact.ts';

export interface AgentSources {
  readonly version: string;
  readonly hostname: string;
  readonly startedMs: number;
  readonly config: AgentConfig;
  readonly engine: EngineState;
  readonly membership: Membership;
  readonly storageProblem: string | undefined;
  /** Undefined before it has started. */
  readonly network: NodeNetworkStatus | undefined;
  readonly nowMs: number;
}

/** Two sessions in a row that another process took away at once are no accident. */
const DUPLICATE_AFTER = 2;

/** Gathers what the parts say of themselves into the one value that the local API shows. */
export function agentFacts(sources: AgentSources): AgentFacts {
  const { config, membership } = sources;
  const node = membership.kind === 'joined' || membership.kind === 'leaving' ? membership.node : undefined;
  return {
    agent: {
      version: sources.version,
      pid: process.pid,
      startedAt: isoTime(sources.startedMs),
      hostname: sources.hostname,
      stateDir: config.stateDir,
      runDir: config.runDir,
      configFile: config.configFile,
      origins: config.origins,
    },
    cluster: clusterFact(membership, node),
    session: node ? sessionFact(node) : NO_SESSION,
    managers: (node?.remotes.weights() ?? []).map(({ nodeId, addr, weight }) => ({
      nodeId: nodeId || null,
      addr,
      weight,
    })),
    engine: engineFact(config.engine, sources.engine),
    description: description(node),
    tasks: (node?.tasks.all() ?? []).flatMap((record) => taskFact(record) ?? []),
    certificates: node ? certificateFact(node.identity.state()) : null,
    gossip: node ? gossipFact(node.gossip) : NO_GOSSIP,
    networks: sources.network ? networksFact(sources.network, sources.nowMs) : NO_NETWORKS,
    outbox: node ? outboxFact(node.outbox) : { pending: 0, oldestAt: null },
    storage: { error: sources.storageProblem ?? null, since: null },
  };
}

function clusterFact(membership: Membership, node: JoinedNode | undefined): ClusterFact {
  const spec = node?.node()?.spec;
  const { state, sinceMs } = clusterState(membership);
  return {
    state,
    since: isoTime(sinceMs),
    clusterId: node?.identity.current().clusterId ?? null,
    nodeId: node?.identity.current().nodeId ?? null,
    availability: spec ? (AVAILABILITIES[spec.availability] ?? null) : null,
    desiredRole: spec ? (spec.desiredRole === NodeRole.MANAGER ? 'manager' : 'worker') : null,
    labels: { ...spec?.annotations?.labels },
    joining: membership.kind === 'joining' ? membership.progress : null,
    joinError: membership.kind === 'none' ? membership.joinError : null,
  };
}

function clusterState(membership: Membership): { readonly state: ClusterState; readonly sinceMs: number } {
  const { sinceMs } = membership;
  if (membership.kind === 'none') return { state: 'not-joined', sinceMs };
  if (membership.kind !== 'joined') return { state: membership.kind, sinceMs };
  const { node } = membership;
  const session = node.session.state();
  if (session.kind === 'registered') return { state: 'ready', sinceMs: session.sinceMs };
  if (node.identity.state().expired) return { state: 'certificate-expired', sinceMs };
  const lastEnd = node.lastEnd();
  if (lastEnd?.end.kind === 'removed') return { state: 'removed', sinceMs: node.lostSinceMs() ?? lastEnd.atMs };
  const lostMs = node.lostSinceMs();
  return lostMs === undefined ? { state: 'connecting', sinceMs } : { state: 'disconnected', sinceMs: lostMs };
}

const NO_SESSION: SessionFact = {
  manager: null,
  since: null,
  sessionIdPresent: false,
  heartbeatPeriodMs: null,
  lastHeartbeatAt: null,
  failures: 0,
  lastError: null,
  lastErrorAt: null,
  nextAttemptAt: null,
  duplicateIdentity: false,
};

function sessionFact(node: JoinedNode): SessionFact {
  const state = node.session.state();
  const lastEnd = node.lastEnd();
  const duplicateIdentity = node.session.replacedInARow() >= DUPLICATE_AFTER;
  if (state.kind === 'registered') {
    return {
      ...NO_SESSION,
      manager: { nodeId: state.manager.nodeId || null, addr: state.manager.addr },
      since: isoTime(state.sinceMs),
      sessionIdPresent: true,
      heartbeatPeriodMs: state.heartbeatPeriodMs || null,
      lastHeartbeatAt: isoTime(state.lastHeartbeatMs),
      duplicateIdentity,
    };
  }
  return {
    ...NO_SESSION,
    sessionIdPresent: node.session.sessionId() !== '',
    failures: state.kind === 'starting' ? 0 : state.failures,
    lastError: lastEnd && lastEnd.end.kind !== 'described' ? lastEnd.end.text : null,
    lastErrorAt: isoTimeOrNull(lastEnd?.atMs),
    nextAttemptAt: state.kind === 'waiting' ? isoTime(state.untilMs) : null,
    duplicateIdentity,
  };
}

function description(node: JoinedNode | undefined): AgentFacts['description'] {
  const described = node?.described();
  return described ? descriptionFact(described.description, described.atMs) : null;
}

function outboxFact(outbox: Outbox): OutboxFact {
  const oldest = outbox.pending(1)[0]?.status.timestamp;
  return { pending: outbox.size(), oldestAt: oldest ? isoTime(timestampMs(oldest)) : null };
}
