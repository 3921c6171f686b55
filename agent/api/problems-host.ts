import type { AgentFacts, CertificateFact, EngineFact, Problem } from './view.ts';

/** With less than this part of its life left, a certificate that cannot be renewed is an error: renewal starts at a half. */
const LAST_PART_OF_LIFE = 0.2;
/** A manager takes a status within milliseconds; after this long something is in the way. */
const OUTBOX_PATIENCE_MS = 60_000;

/** What is wrong on this host: certificate, engine, disk, and what waits to be sent. */
export function hostProblems(facts: AgentFacts, nowMs: number): Problem[] {
  return [...certificate(facts, nowMs), ...engine(facts.engine), ...storage(facts), ...outbox(facts, nowMs)];
}

function certificate({ cluster, certificates: held }: AgentFacts, nowMs: number): Problem[] {
  if (held === null) return [];
  const startsMs = Date.parse(held.notBefore);
  const endsMs = Date.parse(held.notAfter);
  if (cluster.state === 'certificate-expired' || nowMs >= endsMs) {
    return [
      {
        severity: 'error',
        code: 'certificate-expired',
        what: 'the certificate of this node has expired: managers no longer talk to it',
        mend: 'If the clock of this host is right: "netd leave", then "netd join".',
        since: held.notAfter,
      },
    ];
  }
  if (nowMs < startsMs) {
    return [
      {
        severity: 'error',
        code: 'clock-behind',
        what: `the certificate of this node is not valid before ${held.notBefore}`,
        mend: 'The clock of this host is behind: set it ("timedatectl").',
        since: null,
      },
    ];
  }
  return [...renewal(held, (endsMs - nowMs) / (endsMs - startsMs)), ...rotation(held)];
}

function renewal(held: CertificateFact, partLeft: number): Problem[] {
  if (held.lastRenewalError === null) return [];
  return [
    {
      severity: partLeft < LAST_PART_OF_LIFE ? 'error' : 'warning',
      code: 'renewal-failing',
      what: `the certificate could not be renewed: ${held.lastRenewalError}`,
      mend: 'The agent goes on trying. Managers must be reachable and, with an external CA, that CA as well.',
      since: held.lastRenewalAttemptAt,
    },
  ];
}

function rotation(held: CertificateFact): Problem[] {
  if (!held.rotating) return [];
  return [
    {
      severity: 'info',
      code: 'ca-rotation',
      what: 'the CA of the swarm is being replaced',
      mend: 'Nothing to do here: this node has followed, and waits for the others.',
      since: null,
    },
  ];
}

function engine(fact: EngineFact): Problem[] {
  const reason = fact.error === null ? '' : `: ${fact.error}`;
  const at = { severity: 'error', since: fact.since } as const;
  switch (fact.state) {
    case 'connecting':
      return [];
    case 'up':
      return liveRestore(fact);
    case 'down':
      return [
        {
          ...at,
          code: 'engine-down',
          // Most errors of the engine's client name the address themselves.
          what: fact.error?.includes(fact.address)
            ? fact.error
            : `the engine does not answer at ${fact.address}${reason}`,
          mend: 'Start it ("systemctl start docker"), or name another address with "engine" in netd.yaml.',
        },
      ];
    case 'stuck':
      return [
        {
          ...at,
          code: 'engine-stuck',
          what: fact.error ?? `the engine at ${fact.address} takes calls and does not answer them`,
          mend: 'Restart it ("systemctl restart docker"); with live-restore, containers keep running meanwhile.',
        },
      ];
    case 'not-an-engine':
      return [
        {
          ...at,
          code: 'not-an-engine',
          what: `what answers at ${fact.address} is not a Docker engine${reason}`,
          mend: 'Name the address of the engine with "engine" in netd.yaml.',
        },
      ];
    case 'too-old':
      return [
        {
          ...at,
          code: 'engine-too-old',
          what: `the engine speaks API ${fact.apiVersion ?? 'of an unknown version'}; netd needs ${fact.minApiVersion} or later`,
          mend: 'Upgrade the engine.',
        },
      ];
    case 'in-swarm-mode':
      return [
        {
          ...at,
          code: 'engine-in-swarm-mode',
          what: 'the engine is itself a node of a swarm, and two agents must not run the same containers',
          mend: 'Take it out on this host: "docker swarm leave". netd goes on by itself then.',
        },
      ];
  }
}

function liveRestore(fact: EngineFact): Problem[] {
  if (fact.liveRestore !== false) return [];
  return [
    {
      severity: 'info',
      code: 'no-live-restore',
      what: 'live-restore is off: containers stop whenever the engine stops',
      mend: 'Put "live-restore": true into /etc/docker/daemon.json, then "systemctl reload docker".',
      since: null,
    },
  ];
}

function storage({ storage: fact, agent }: AgentFacts): Problem[] {
  if (fact.error === null) return [];
  return [
    {
      severity: 'error',
      code: 'state-not-written',
      what: `state cannot be written to ${agent.stateDir}: ${fact.error}`,
      mend: 'Make room or repair the disk. Tasks go on, but what is not written is lost when the agent stops.',
      since: fact.since,
    },
  ];
}

function outbox({ cluster, outbox: fact }: AgentFacts, nowMs: number): Problem[] {
  if (cluster.state !== 'ready' || fact.oldestAt === null) return [];
  if (nowMs - Date.parse(fact.oldestAt) < OUTBOX_PATIENCE_MS) return [];
  const statuses = fact.pending === 1 ? '1 task status has' : `${fact.pending} task statuses have`;
  return [
    {
      severity: 'warning',
      code: 'outbox-stuck',
      what: `${statuses} not been taken by the manager`,
      mend: 'The agent goes on sending. Its log says what the manager answered.',
      since: fact.oldestAt,
    },
  ];
}
