import type Docker from 'dockerode';
import type { Clock } from '#base/clock.ts';
import { errorText, NetdError } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import type { Engine, EngineInfo } from './engine.ts';
import { LEAST_API_VERSION } from './engine.ts';
import { EngineError, EngineStuck, EngineUnreachable } from './engine-error.ts';
import type { EngineEvent } from './events.ts';

/** What an engine that answers has told of itself. */
export interface EngineFacts {
  readonly info: EngineInfo;
  readonly version: Docker.DockerVersion;
  readonly plugins: readonly Docker.PluginInfo[];
}

/** `down` carries the facts of the time before, if there was one. Times are milliseconds since the epoch. */
export type EngineState =
  | { readonly kind: 'connecting'; readonly sinceMs: number }
  | { readonly kind: 'up'; readonly sinceMs: number; readonly facts: EngineFacts }
  | { readonly kind: 'down'; readonly sinceMs: number; readonly error: NetdError; readonly facts?: EngineFacts };

/** Keeps a view of the engine and its events through restarts of the engine. */
export interface EngineWatch {
  readonly state: () => EngineState;
  readonly run: (signal: AbortSignal) => Promise<void>;
}

export interface EngineWatchOptions {
  readonly engine: Engine;
  readonly onEvent: (event: EngineEvent) => void;
  /** The state is another, or the engine told something new of itself. */
  readonly onChange: () => void;
  /** The engine answers (again): events may have been missed. */
  readonly onUp: () => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The node description is compared this often (spec swarmkit-worker §3.9). */
const REFRESH_MS = 20_000;
const RETRY_MS = 500;
/** An engine that takes the call and says nothing for so long hangs; under heavy load one may need several seconds. */
const ANSWER_TIMEOUT_MS = 30_000;

export function createEngineWatch(options: EngineWatchOptions): EngineWatch {
  const { engine, clock, log } = options;
  let state: EngineState = { kind: 'connecting', sinceMs: clock.now() };

  const setUp = (facts: EngineFacts) => {
    const fresh = state.kind !== 'up';
    state = { kind: 'up', sinceMs: state.kind === 'up' ? state.sinceMs : clock.now(), facts };
    if (fresh) log.info({ engine: engine.address, version: facts.version.Version }, 'engine is up');
    options.onChange();
  };
  const setDown = (error: unknown) => {
    const known = state.kind === 'connecting' ? undefined : state.facts;
    const reason =
      error instanceof NetdError ? error : new NetdError('engine-unreachable', errorText(error), { cause: error });
    const same = state.kind === 'down' && state.error.message === reason.message;
    if (same) return;
    const sinceMs = state.kind === 'down' ? state.sinceMs : clock.now();
    state = { kind: 'down', sinceMs, error: reason, ...(known ? { facts: known } : {}) };
    log.warn({ engine: engine.address, error: reason.message }, 'engine is down');
    options.onChange();
  };

  const connected = async (signal: AbortSignal): Promise<void> => {
    const scope = new AbortController();
    const inside = AbortSignal.any([signal, scope.signal]);
    try {
      const facts = await answered(inside, (limited) => ask(engine, limited));
      const events = await openEvents(inside);
      // What happens from here on is told, so a look at all tasks now misses nothing.
      setUp(facts);
      options.onUp();
      await Promise.race([readEvents(events), refresh(inside)]);
    } finally {
      scope.abort(new Error('the connection to the engine has ended'));
    }
  };

  /** The stream outlives the limit on its beginning. */
  const openEvents = (signal: AbortSignal): Promise<AsyncIterable<EngineEvent>> => {
    const scope = new AbortController();
    const whole = AbortSignal.any([signal, scope.signal]);
    return answered(signal, (limited) => {
      limited.addEventListener('abort', () => scope.abort(limited.reason), { once: true });
      return engine.events(whole);
    });
  };

  const readEvents = async (events: AsyncIterable<EngineEvent>): Promise<never> => {
    for await (const event of events) options.onEvent(event);
    throw new NetdError('engine-unreachable', `the Docker engine at ${engine.address} has ended its event stream`);
  };

  const refresh = async (signal: AbortSignal): Promise<never> => {
    for (;;) {
      await clock.sleep(REFRESH_MS, signal);
      setUp(await answered(signal, (limited) => ask(engine, limited)));
    }
  };

  /** Calls the work off when it takes too long. */
  const answered = async <T>(signal: AbortSignal, work: (limited: AbortSignal) => Promise<T>): Promise<T> => {
    const limit = new AbortController();
    const done = new AbortController();
    const late = new EngineStuck(engine.address, 'answered', ANSWER_TIMEOUT_MS);
    clock.sleep(ANSWER_TIMEOUT_MS, AbortSignal.any([signal, done.signal])).then(
      () => limit.abort(late),
      () => {}, // answered in time, or no longer wanted
    );
    try {
      return await work(AbortSignal.any([signal, limit.signal]));
    } finally {
      done.abort(new Error('answered'));
    }
  };

  return {
    state: () => state,
    run: async (signal) => {
      while (!signal.aborted) {
        try {
          await connected(signal);
        } catch (error) {
          if (signal.aborted) return;
          setDown(error);
          await clock.sleep(RETRY_MS, signal).catch(() => {});
        }
      }
    },
  };
}

async function ask(engine: Engine, signal: AbortSignal): Promise<EngineFacts> {
  const version = await engine.version(signal).catch((error: unknown) => {
    throw speaksOtherwise(error) ? notAnEngine(engine.address, error) : error;
  });
  if (typeof version?.ApiVersion !== 'string') throw notAnEngine(engine.address);
  const [info, plugins] = await Promise.all([engine.info(signal), engine.plugins(signal)]);
  checkEngine(engine.address, version, info);
  return { version, info, plugins };
}

/** True for the answer of a server that knows no /version, or speaks no HTTP. */
function speaksOtherwise(error: unknown): boolean {
  if (error instanceof EngineError) return error.status >= 400 && error.status < 500;
  const cause = error instanceof EngineUnreachable ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause && String(cause.code).startsWith('HPE_'); // node's HTTP parser
}

function notAnEngine(address: string, cause?: unknown): NetdError {
  return new NetdError('not-an-engine', `what answers at ${address} is not a Docker engine`, {
    cause,
    mend: 'give the unix socket of the local engine with --engine, such as unix:///var/run/docker.sock',
  });
}

/** Refuses what answers on the socket but is no engine netd can work with; each refusal names the mend. */
export function checkEngine(address: string, version: Docker.DockerVersion, info: EngineInfo): void {
  if (typeof info?.NCPU !== 'number') throw notAnEngine(address);
  if (compareVersions(version.ApiVersion, LEAST_API_VERSION) < 0) {
    throw new NetdError(
      'engine-too-old',
      `the engine at ${address} speaks API ${version.ApiVersion}; netd needs ${LEAST_API_VERSION} or newer`,
      { mend: 'upgrade the engine to 20.10 or newer' },
    );
  }
  const swarm = info.Swarm?.LocalNodeState;
  if (swarm !== undefined && swarm !== '' && swarm !== 'inactive') {
    throw new NetdError('engine-in-swarm', `the engine at ${address} is itself in swarm mode (${swarm})`, {
      mend: 'netd replaces the swarm mode of the engine: run `docker swarm leave` on this host first',
    });
  }
}

/** Compares dotted numbers: negative if `a` is older than `b`. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => text.split('.').map(Number));
  for (let i = 0; i < Math.max(left?.length ?? 0, right?.length ?? 0); i++) {
    const difference = (left?.[i] ?? 0) - (right?.[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
