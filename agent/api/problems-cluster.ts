import type { AgentFacts, IsoTime, JoinErrorFact, Problem } from './view.ts';

/** A session may be lost and found again within this time without anybody having to look: half of the least grace of a manager. */
const RECONNECT_GRACE_MS = 7_000;
/** More managers than this say no more than these do. */
const MANAGERS_NAMED = 3;

/** What is wrong between this node and the swarm. */
export function clusterProblems(facts: AgentFacts, nowMs: number): Problem[] {
  return [
    ...membership(facts, nowMs),
    ...identity(facts),
    ...role(facts),
    ...availability(facts),
    ...heartbeat(facts, nowMs),
  ];
}

function membership(facts: AgentFacts, nowMs: number): Problem[] {
  const { cluster } = facts;
  const { since } = cluster;
  switch (cluster.state) {
    case 'not-joined':
      if (cluster.joinError !== null) return [joinFailed(cluster.joinError, since)];
      return [
        {
          severity: 'info',
          code: 'not-joined',
          what: 'this node is not part of a swarm',
          mend: 'On a manager run "docker swarm join-token worker", then here "netd join --token TOKEN MANAGER:2377".',
          since,
        },
      ];
    case 'joining':
      return joining(facts);
    case 'connecting':
    case 'disconnected':
      return unreachable(facts, nowMs);
    case 'removed':
      return [
        {
          severity: 'error',
          code: 'removed',
          what: 'the managers say that this node was removed from the swarm',
          mend: 'What still runs here goes on running. To come back as a new node: "netd leave", then "netd join".',
          since,
        },
      ];
    case 'leaving':
      return [
        {
          severity: 'info',
          code: 'leaving',
          what: 'this node is leaving the swarm: its tasks are being stopped',
          mend: 'Wait. Afterwards a manager can forget the node with "docker node rm".',
          since,
        },
      ];
    case 'certificate-expired': // told with the certificate
    case 'ready':
      return [];
  }
}

/** The one who asked has stopped waiting, or closed the terminal. */
function joinFailed({ error, mend }: JoinErrorFact, since: IsoTime): Problem {
  return {
    severity: 'error',
    code: 'join-failed',
    what: `this node is not part of a swarm, for the last join failed: ${error}`,
    mend: `${mend === null ? '' : `${mend} `}Then "netd join" again.`,
    since,
  };
}

function joining({ cluster }: AgentFacts): Problem[] {
  const { joining: progress } = cluster;
  if (!progress?.lastError) return [];
  const at = progress.address ?? 'the manager';
  const mends = {
    'root-ca': `Check that ${at} is a manager and can be reached from here, and that the token is of that swarm.`,
    certificate:
      'Check that the token is still valid ("docker swarm join-token worker" on a manager prints the current one).',
    session: `Check that ${at} can be reached from here and that both clocks are right.`,
  };
  return [
    {
      severity: 'warning',
      code: 'join-failing',
      what: `joining has not worked yet: ${progress.lastError}`,
      mend: mends[progress.step],
      since: cluster.since,
    },
  ];
}

function unreachable(facts: AgentFacts, nowMs: number): Problem[] {
  const { cluster, session, engine, managers } = facts;
  // A first session needs the engine's description: then the engine is what is wrong, and that is told with the engine.
  if (session.lastError === null && engine.state !== 'up') return [];
  const lastingMs = nowMs - Date.parse(cluster.since);
  if (session.lastError === null && lastingMs < RECONNECT_GRACE_MS) return [];
  const named = managers.slice(0, MANAGERS_NAMED).map((manager) => manager.addr);
  const more = managers.length > named.length ? ` and ${managers.length - named.length} more` : '';
  return [
    {
      severity: lastingMs < RECONNECT_GRACE_MS ? 'warning' : 'error',
      code: 'manager-unreachable',
      what: `no session with a manager: ${session.lastError ?? 'none has answered yet'}`,
      mend:
        named.length > 0
          ? `Check that the managers run, and the way from here to ${named.join(', ')}${more}. Tasks go on running, and the agent goes on trying.`
          : 'No manager is known any more: "netd leave", then "netd join".',
      since: cluster.since,
    },
  ];
}

function identity({ session, agent }: AgentFacts): Problem[] {
  if (!session.duplicateIdentity) return [];
  return [
    {
      severity: 'error',
      code: 'duplicate-identity',
      what: "another machine uses this node's identity: each takes the session away from the other",
      mend: `Find the copy of ${agent.stateDir} (a cloned disk, a restored backup); let it leave, and join as a node of its own.`,
      since: session.lastErrorAt,
    },
  ];
}

function role({ cluster, certificates }: AgentFacts): Problem[] {
  // "docker node demote" fails for a node that never was in the managers' raft group: there is no other way back.
  const mend = `To undo it: "netd leave", on a manager "docker node rm --force ${cluster.nodeId ?? 'NODE'}", then "netd join".`;
  if (cluster.desiredRole === 'manager') {
    return [
      {
        severity: 'warning',
        code: 'promoted',
        what: 'this node was promoted to manager, but netd is a worker only: it goes on as a worker',
        mend,
        since: null,
      },
    ];
  }
  if (certificates?.role === 'manager') {
    return [
      {
        severity: 'warning',
        code: 'manager-certificate',
        what: 'this worker holds the certificate of a manager',
        mend,
        since: null,
      },
    ];
  }
  return [];
}

function availability({ cluster }: AgentFacts): Problem[] {
  if (cluster.availability === null || cluster.availability === 'active') return [];
  const effect = cluster.availability === 'drain' ? 'it runs no tasks' : 'it gets no new tasks';
  return [
    {
      severity: 'info',
      code: `availability-${cluster.availability}`,
      what: `the availability of this node is "${cluster.availability}": ${effect}`,
      mend: `To change that, on a manager: "docker node update --availability active ${cluster.nodeId ?? 'NODE'}".`,
      since: null,
    },
  ];
}

/** A beat that is late by more than one period plus its own time limit: the session is about to end. */
function heartbeat({ cluster, session }: AgentFacts, nowMs: number): Problem[] {
  if (cluster.state !== 'ready' || session.lastHeartbeatAt === null || session.heartbeatPeriodMs === null) return [];
  const silentMs = nowMs - Date.parse(session.lastHeartbeatAt);
  if (silentMs < 2 * session.heartbeatPeriodMs + 5_000) return [];
  return [
    {
      severity: 'warning',
      code: 'heartbeat-late',
      what: 'the manager has not answered the last heartbeats',
      mend: `Check the way from here to ${session.manager?.addr ?? 'the manager'}; another manager is tried when the session breaks.`,
      since: session.lastHeartbeatAt,
    },
  ];
}
