import { create } from '@bufbuild/protobuf';
import { createAssignments } from '#agent/session/assignments.ts';
import { createSession } from '#agent/session/session.ts';
import { createOutbox } from '#agent/tasks/outbox.ts';
import { systemClock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import { type Credentials, tlsInfoOf } from '#pki/credentials.ts';
import { dialManager } from '#pki/dial.ts';
import { NodeIdentity } from '#pki/identity.ts';
import { joinCluster } from '#pki/join.ts';
import { Remotes } from '#pki/remotes.ts';
import { CertificateStore } from '#pki/store.ts';
import { parseJoinToken } from '#pki/token.ts';
import type { SessionMessage } from '#proto/gen/swarmkit/dispatcher_pb.js';
import { NodeDescriptionSchema } from '#proto/gen/swarmkit/types_pb.js';
import type { ProbeConfig } from './commands.ts';

const TOOLS = { clock: systemClock, random: Math.random };
const JOIN_TIMEOUT_MS = 60_000;
const DIAL_TIMEOUT_MS = 5_000;

/**
 * A worker of the swarm that runs nothing (it joins drained): netd's identity and session without an engine behind them.
 * Resolves when the signal aborts.
 */
export async function runSwarmWorker(
  config: ProbeConfig,
  log: Logger,
  onMessage: (message: SessionMessage) => void,
  signal: AbortSignal,
): Promise<void> {
  const store = new CertificateStore(config.stateDir);
  const remotes = new Remotes(Math.random, [{ nodeId: '', addr: config.managerAddress }]);
  const known = await store.load(Date.now());
  const credentials = known ?? (await join(config, remotes, log));
  if (known === undefined) await store.install(credentials);
  const identity = new NodeIdentity({ credentials, store, remotes, log, ...TOOLS });
  const session = createSession({
    selectManager: (failed) => remotes.select(failed),
    observeManager: (manager, weight) => remotes.observe(manager, weight),
    dial: ({ addr: address }, within) => {
      const current = identity.current();
      const target = {
        address,
        serverName: 'swarm-manager',
        rootBundle: current.rootBundle,
        credentials: current,
      } as const;
      return dialManager(target, { timeoutMs: DIAL_TIMEOUT_MS, signal: within });
    },
    describe: async () =>
      create(NodeDescriptionSchema, { hostname: config.hostname, tlsInfo: tlsInfoOf(identity.current()) }),
    describedAnew: (_, within) => never(within),
    assignments: createAssignments(),
    outbox: createOutbox(),
    lastSessionId: '',
    onMessage,
    onRegistered: () => undefined,
    onAssignments: () => undefined,
    serveLogs: (_, within) => never(within),
    onEnd: () => undefined,
    log,
    ...TOOLS,
  });
  await Promise.allSettled([identity.run(signal), session.run(signal)]);
}

function join(config: ProbeConfig, remotes: Remotes, log: Logger): Promise<Credentials> {
  const options = {
    token: parseJoinToken(config.token),
    addresses: [config.managerAddress],
    availability: 'drain',
    remotes,
    log,
    ...TOOLS,
  } as const;
  return joinCluster(options, AbortSignal.timeout(JOIN_TIMEOUT_MS));
}

function never(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
