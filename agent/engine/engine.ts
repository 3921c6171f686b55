import { availableParallelism } from 'node:os';
import type { Readable } from 'node:stream';
import type Docker from 'dockerode';
import { EngineError, EngineUnreachable, isNotFound } from './engine-error.ts';
import { createEngineHttp } from './engine-http.ts';
import { type EngineEvent, NETWORK_EVENTS, parseEvents } from './events.ts';
import { createGate } from './gate.ts';

/**
 * The Docker engine of this host, over its HTTP API. Each method is one API call; a container or network that is not
 * there is `undefined`, every other failure an EngineError (it said no) or EngineUnreachable (it said nothing, in time: engines
 * are known to lock up, as a whole or one container, and no call but a stream may wait for that for ever).
 */
export interface Engine {
  /** Where the engine listens, as given: `unix:///var/run/docker.sock`. */
  readonly address: string;
  readonly version: (signal?: AbortSignal) => Promise<Docker.DockerVersion>;
  readonly info: (signal?: AbortSignal) => Promise<EngineInfo>;
  /** Managed (v2) plugins that are enabled. */
  readonly plugins: (signal?: AbortSignal) => Promise<readonly Docker.PluginInfo[]>;
  /** Resolves once the engine listens for us: events of containers, and of networks they come to or leave, from then on; they end when the engine goes away. */
  readonly events: (signal: AbortSignal) => Promise<AsyncIterable<EngineEvent>>;

  /** @param turn one that will be refused costs the engine nothing, and need not wait for those it has to work for */
  readonly createContainer: (
    name: string,
    body: object,
    turn?: 'in-turn' | 'at-once',
  ) => Promise<{ readonly id: string }>;
  readonly inspectContainer: (nameOrId: string) => Promise<ContainerInspect | undefined>;
  /** In any state; with that label, or all. */
  readonly listContainers: (label?: string) => Promise<readonly Docker.ContainerInfo[]>;
  readonly startContainer: (id: string) => Promise<void>;
  /** Signal, wait up to `timeoutSec`, kill. A container that is gone or stopped already is fine. */
  readonly stopContainer: (id: string, timeoutSec: number | undefined) => Promise<void>;
  /** Kills if needed; removes anonymous volumes too. A container that is gone already is fine. */
  readonly removeContainer: (id: string) => Promise<void>;
  readonly containerLogs: (id: string, options: ContainerLogOptions, signal: AbortSignal) => Promise<Readable>;

  readonly hasImage: (reference: string) => Promise<boolean>;
  /**
   * Pulls and waits for the end, however long it takes, while there is progress.
   * @param auth the registry credentials as the engine takes them (X-Registry-Auth: URL-safe base64 of JSON), if any
   */
  readonly pullImage: (reference: string, auth: string | undefined, signal: AbortSignal) => Promise<void>;

  readonly createVolume: (body: Docker.VolumeCreateOptions) => Promise<{ readonly driver: string }>;
  readonly inspectNetwork: (nameOrId: string) => Promise<Docker.NetworkInspectInfo | undefined>;
  /** Networks of that driver, without the containers on them. */
  readonly listNetworks: (driver: string) => Promise<readonly Docker.NetworkInspectInfo[]>;
  readonly createNetwork: (body: Docker.NetworkCreateOptions) => Promise<void>;
  /** A network that is gone already is fine. */
  readonly removeNetwork: (nameOrId: string) => Promise<void>;
  readonly connectNetwork: (network: string, body: Docker.NetworkConnectOptions) => Promise<void>;
  /** Takes a container off a network, whatever its driver says. Either being gone already is fine. */
  readonly disconnectNetwork: (network: string, container: string) => Promise<void>;
  readonly close: () => void;
}

/** GET /info, the members netd uses. Engines other than Docker's leave some out. */
export interface EngineInfo {
  readonly ID: string;
  readonly Name: string;
  readonly ServerVersion: string;
  readonly OperatingSystem?: string;
  readonly OSType?: string;
  readonly Architecture?: string;
  readonly NCPU: number;
  readonly MemTotal?: number;
  readonly Labels?: readonly string[] | null;
  readonly Plugins?: { readonly [kind: string]: readonly string[] | null | undefined };
  readonly SecurityOptions?: readonly string[] | null;
  readonly LiveRestoreEnabled?: boolean;
  readonly DockerRootDir: string;
  readonly KernelVersion?: string;
  readonly Driver?: string;
  readonly GenericResources?: readonly unknown[] | null;
  readonly Swarm?: { readonly LocalNodeState?: string };
}

export type ContainerInspect = Docker.ContainerInspectInfo;

export interface ContainerLogOptions {
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly follow: boolean;
  /** Number of lines from the end, or all. */
  readonly tail: number | 'all';
  /** RFC 3339 or `seconds.nanoseconds`. */
  readonly since?: string;
  readonly details: boolean;
}

/** Events that can change what a task is. Others are many (each health check is three) and tell nothing. */
const TASK_EVENTS = ['start', 'die', 'destroy', 'health_status'] as const;

/** Engines before 20.10 (API 1.41) lack what swarm tasks of today use. */
export const LEAST_API_VERSION = '1.41';

/**
 * Creations and starts at the engine at once. A burst of tasks is ready sooner when they do not all compete for the processor
 * (100 tasks on two cores: 5.2 s with 12 at once, 5.4 s with 128), and each costs a connection and memory on both sides. Stops are
 * not counted: they wait for their grace period and cost nothing meanwhile.
 */
const MOST_STARTS = Math.max(12, 4 * availableParallelism());

/**
 * A start that takes longer waits for something else than the processor (a mount, a plugin, a lock that never comes free), and
 * others should not wait with it.
 */
const LONGEST_PLACE_MS = 15_000;

/** For what the engine only looks up. Looking at a container waits for a start or stop of it that is under way. */
const LOOK_LIMIT_MS = 60_000;
/** For what the engine has to do. Given up is only the waiting: whoever asks again finds what has come about. */
const WORK_LIMIT_MS = 120_000;
/** What the engine grants a container to stop when nobody says otherwise. */
const STOP_GRACE_SEC = 10;
/** An engine tells the progress of a pull many times a second, but says nothing while a registry keeps it waiting. */
const PULL_SILENCE_MS = 5 * 60_000;

/** @throws NetdError `bad-engine-address` */
export function createEngine(address: string): Engine {
  const http = createEngineHttp(address);
  const heavy = createGate(MOST_STARTS, LONGEST_PLACE_MS);

  return {
    address,
    version: async (signal) =>
      (await http.json('GET', '/version', LOOK_LIMIT_MS, within(signal))) as Docker.DockerVersion,
    info: async (signal) => (await http.json('GET', '/info', LOOK_LIMIT_MS, within(signal))) as EngineInfo,
    plugins: async (signal) => {
      const plugins = await http.json('GET', '/plugins', LOOK_LIMIT_MS, within(signal));
      return ((plugins ?? []) as readonly Docker.PluginInfo[]).filter((plugin) => plugin.Enabled === true);
    },
    events: async (signal) => {
      const filters = JSON.stringify({ type: ['container', 'network'], event: [...TASK_EVENTS, ...NETWORK_EVENTS] });
      return readEvents(address, await http.stream('GET', '/events', { query: { filters }, signal }), signal);
    },
    createContainer: async (name, body, turn = 'in-turn') => {
      const create = () => http.json('POST', '/containers/create', WORK_LIMIT_MS, { query: { name }, body });
      const created = await (turn === 'in-turn' ? heavy(create) : create());
      return { id: (created as { readonly Id: string }).Id };
    },
    inspectContainer: async (id) =>
      (await found(http.json('GET', `/containers/${encodeURIComponent(id)}/json`, LOOK_LIMIT_MS))) as ContainerInspect,
    listContainers: async (label) => {
      const query = { all: true, ...(label !== undefined && { filters: JSON.stringify({ label: [label] }) }) };
      return (await http.json('GET', '/containers/json', LOOK_LIMIT_MS, { query })) as Docker.ContainerInfo[];
    },
    startContainer: async (id) => {
      await heavy(() => http.json('POST', `/containers/${encodeURIComponent(id)}/start`, WORK_LIMIT_MS));
    },
    stopContainer: async (id, timeoutSec) => {
      await found(
        http.json(
          'POST',
          `/containers/${encodeURIComponent(id)}/stop`,
          (timeoutSec ?? STOP_GRACE_SEC) * 1000 + WORK_LIMIT_MS,
          timeoutSec === undefined ? {} : { query: { t: timeoutSec } },
        ),
      );
    },
    removeContainer: async (id) => {
      const query = { force: true, v: true };
      await found(http.json('DELETE', `/containers/${encodeURIComponent(id)}`, WORK_LIMIT_MS, { query }));
    },
    containerLogs: (id, options, signal) =>
      http.stream('GET', `/containers/${encodeURIComponent(id)}/logs`, {
        query: { ...options, timestamps: true },
        signal,
      }),
    hasImage: async (reference) =>
      (await found(http.json('GET', `/images/${reference}/json`, LOOK_LIMIT_MS))) !== undefined,
    pullImage: async (reference, auth, signal) => {
      const headers = auth === undefined ? {} : { 'x-registry-auth': auth };
      const query = { fromImage: reference };
      const silence = new AbortController();
      const words = `the pull of ${reference} has not made any progress for ${PULL_SILENCE_MS / 60_000} minutes`;
      const patience = setTimeout(() => silence.abort(new EngineError('pull image', 504, words)), PULL_SILENCE_MS);
      const inside = AbortSignal.any([signal, silence.signal]);
      try {
        const progress = await http.stream('POST', '/images/create', { query, headers, signal: inside });
        await pullEnd(address, progress, inside, () => patience.refresh());
      } finally {
        clearTimeout(patience);
      }
    },
    createVolume: async (body) => {
      const volume = (await http.json('POST', '/volumes/create', WORK_LIMIT_MS, { body })) as {
        readonly Driver?: string;
      };
      return { driver: volume.Driver ?? '' };
    },
    inspectNetwork: async (name) =>
      (await found(
        http.json('GET', `/networks/${encodeURIComponent(name)}`, LOOK_LIMIT_MS),
      )) as Docker.NetworkInspectInfo,
    listNetworks: async (driver) => {
      const filters = JSON.stringify({ driver: [driver] });
      return (await http.json('GET', '/networks', LOOK_LIMIT_MS, {
        query: { filters },
      })) as Docker.NetworkInspectInfo[];
    },
    createNetwork: async (body) => {
      await http.json('POST', '/networks/create', WORK_LIMIT_MS, { body });
    },
    removeNetwork: async (name) => {
      await found(http.json('DELETE', `/networks/${encodeURIComponent(name)}`, WORK_LIMIT_MS));
    },
    connectNetwork: async (network, body) => {
      await http.json('POST', `/networks/${encodeURIComponent(network)}/connect`, WORK_LIMIT_MS, { body });
    },
    disconnectNetwork: async (network, container) => {
      const body = { Container: container, Force: true };
      await found(http.json('POST', `/networks/${encodeURIComponent(network)}/disconnect`, WORK_LIMIT_MS, { body }));
    },
    close: http.close,
  };
}

function within(signal: AbortSignal | undefined): { readonly signal?: AbortSignal } {
  return signal ? { signal } : {};
}

async function* readEvents(
  address: string,
  stream: Readable,
  signal: AbortSignal,
): AsyncGenerator<EngineEvent, void, undefined> {
  try {
    yield* parseEvents(stream);
  } catch (error) {
    throw signal.aborted ? signal.reason : new EngineUnreachable(address, error);
  } finally {
    stream.destroy();
  }
}

/** What is not there is `undefined`. */
async function found(answer: Promise<unknown>): Promise<unknown> {
  try {
    return await answer;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** The pull's progress is JSON messages one after the other; one with an `error` member ends a pull that failed. */
async function pullEnd(
  address: string,
  progress: Readable,
  signal: AbortSignal,
  onProgress: () => void,
): Promise<void> {
  let tail = '';
  try {
    // Only the last message can be an error, and it is short: keep what may be its beginning.
    for await (const chunk of progress) {
      onProgress();
      tail = (tail + String(chunk)).slice(-8192);
    }
  } catch (error) {
    throw signal.aborted ? signal.reason : new EngineUnreachable(address, error);
  }
  const match = /"error"\s*:\s*("(?:[^"\\]|\\.)*")/.exec(tail);
  if (match?.[1]) throw new EngineError('pull image', 500, String(JSON.parse(match[1])));
}
