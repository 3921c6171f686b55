import type { ApiClient } from '#agent/api/client.ts';
import type { JoinRequest, JoinResult } from '#agent/api/control.ts';
import type { StatusDocument } from '#agent/api/documents.ts';
import type { Clock } from '#base/clock.ts';

/** How often the agent is asked how far it is: fast enough for a person, and nothing to the agent. */
const ASK_EVERY_MS = 200;

export type JoinOutcome =
  | { readonly tag: 'ready'; readonly joined: JoinResult; readonly status: StatusDocument }
  /** The time is up; the join goes on in the background. */
  | { readonly tag: 'waiting'; readonly status: StatusDocument };

export interface JoinWait {
  readonly client: ApiClient;
  readonly request: JoinRequest;
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Told each line of progress once. */
  readonly progress: (line: string) => void;
}

/**
 * Asks the agent to join and follows it until the node is Ready or the time is up.
 *
 * @throws the agent's own error if it refuses or gives up.
 */
export async function joinAndWait({ client, request, timeoutMs, clock, progress }: JoinWait): Promise<JoinOutcome> {
  const stop = new AbortController();
  const deadlineMs = clock.monotonicMs() + timeoutMs;
  let joined: JoinResult | undefined;
  let failure: { readonly error: unknown } | undefined;
  const asked = client.join(request, stop.signal).then(
    ({ document }) => {
      joined = { nodeId: document.nodeId, clusterId: document.clusterId };
    },
    (error: unknown) => {
      if (!stop.signal.aborted) failure = { error };
    },
  );
  try {
    const said = new Set<string>();
    for (;;) {
      const { document: status } = await client.status();
      if (failure) throw failure.error;
      for (const line of progressLines(status)) {
        if (!said.has(line)) progress(line);
        said.add(line);
      }
      // The state may be that of before until the agent has answered: only then does Ready mean this join.
      if (joined && status.cluster.state === 'ready') return { tag: 'ready', joined, status };
      if (clock.monotonicMs() >= deadlineMs) return { tag: 'waiting', status };
      const pause = clock.sleep(ASK_EVERY_MS, stop.signal);
      await (joined ? pause : Promise.race([asked, pause]));
    }
  } finally {
    stop.abort(new Error('no longer waiting'));
    await asked;
  }
}

/** What a status says about a join, as lines that stay the same while nothing new happens. */
export function progressLines({ cluster, session }: Pick<StatusDocument, 'cluster' | 'session'>): string[] {
  const { joining } = cluster;
  if (joining !== null) {
    const at = joining.address === null ? '' : ` at ${joining.address}`;
    const doing = {
      'root-ca': `asking for the root certificate${at}`,
      certificate: `asking for a certificate${at}`,
      session: `registering${at}`,
    };
    const failed = joining.lastError === null ? [] : [`not yet: ${joining.lastError}`];
    return [...failed, doing[joining.step] + (joining.attempt > 1 ? `, attempt ${joining.attempt}` : '')];
  }
  if (cluster.state !== 'connecting' && cluster.state !== 'disconnected') return [];
  return session.lastError === null ? ['registering'] : [`not yet: ${session.lastError}`, 'registering again'];
}
