import { Agent } from 'node:http';
import type { Readable } from 'node:stream';
import Docker from 'dockerode';
import { NetdError } from '#base/errors.ts';
import { toEngineError } from './engine-error.ts';
import { type EngineEvent, parseEvents } from './events.ts';

/**
 * The Docker engine of this host, over its HTTP API. Each method is one API call; a container or network that is not
 * there is `undefined`, every other failure an EngineError (it said no) or EngineUnreachable (it said nothing).
 */
export interface Engine {
  /** Where the engine listens, as given: `unix:///var/run/docker.sock`. */
  readonly address: string;
  readonly version: () => Promise<Docker.DockerVersion>;
  readonly info: () => Promise<EngineInfo>;
  /** Managed (v2) plugins that are enabled. */
  readonly plugins: () => Promise<readonly Docker.PluginInfo[]>;
  /** Container events from now on; ends when the engine goes away. */
  readonly events: (signal: AbortSignal) => AsyncIterable<EngineEvent>;

  readonly createContainer: (name: string, body: object) => Promise<{ readonly id: string }>;
  readonly inspectContainer: (nameOrId: string) => Promise<ContainerInspect | undefined>;
  readonly listContainers: (label: string) => Promise<readonly Docker.ContainerInfo[]>;
  readonly startContainer: (id: string) => Promise<void>;
  /** Signal, wait up to `timeoutSec`, kill. A container that is gone or stopped already is fine. */
  readonly stopContainer: (id: string, timeoutSec: number | undefined) => Promise<void>;
  /** Kills if needed; removes anonymous volumes too. A container that is gone already is fine. */
  readonly removeContainer: (id: string) => Promise<void>;
  readonly containerLogs: (id: string, options: ContainerLogOptions, signal: AbortSignal) => Promise<Readable>;

  readonly hasImage: (reference: string) => Promise<boolean>;
  /**
   * Pulls and waits for the end.
   * @param auth the registry credentials as the engine takes them (X-Registry-Auth: URL-safe base64 of JSON), if any
   */
  readonly pullImage: (reference: string, auth: string | undefined, signal: AbortSignal) => Promise<void>;

  readonly createVolume: (body: Docker.VolumeCreateOptions) => Promise<{ readonly driver: string }>;
  readonly inspectNetwork: (nameOrId: string) => Promise<Docker.NetworkInspectInfo | undefined>;
  readonly createNetwork: (body: Docker.NetworkCreateOptions) => Promise<void>;
  /** A network that is gone already is fine. */
  readonly removeNetwork: (nameOrId: string) => Promise<void>;
  readonly connectNetwork: (network: string, body: Docker.NetworkConnectOptions) => Promise<void>;
  readonly close: () => void;
}

/** GET /info, the members netd uses. */
export interface EngineInfo {
  readonly ID: string;
  readonly Name: string;
  readonly ServerVersion: string;
  readonly OperatingSystem?: string;
  readonly OSType: string;
  readonly Architecture: string;
  readonly NCPU: number;
  readonly MemTotal: number;
  readonly Labels?: readonly string[] | null;
  readonly Plugins: { readonly [kind: string]: readonly string[] | null | undefined };
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

/** Parses an engine address as DOCKER_HOST has it; netd takes a unix socket, or plain tcp on loopback for tests. */
export function createEngine(address: string): Engine {
  const agent = new Agent({ keepAlive: true });
  const docker = new Docker(connectionOf(address));
  Object.assign(docker.modem, { agent }); // docker-modem takes one; the types do not know

  const call = async <T>(operation: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw toEngineError(operation, address, error, signal);
    }
  };
  const fine = async (operation: string, statuses: readonly number[], work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (!statuses.includes(statusOf(error))) throw toEngineError(operation, address, error);
    }
  };
  const found = async <T>(operation: string, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw toEngineError(operation, address, error);
    }
  };

  return {
    address,
    version: () => call('version', () => docker.version()),
    info: () => call('info', () => docker.info() as Promise<EngineInfo>),
    plugins: () =>
      call('list plugins', async () => (await docker.listPlugins()).filter((plugin) => plugin.Enabled === true)),
    events: async function* (signal) {
      const stream = await call(
        'events',
        () =>
          docker.getEvents({
            filters: { type: ['container'], event: [...TASK_EVENTS] },
            abortSignal: signal,
          }) as Promise<Readable>,
        signal,
      );
      try {
        yield* parseEvents(stream);
      } catch (error) {
        throw toEngineError('events', address, error, signal);
      }
    },
    createContainer: (name, body) =>
      call('create container', () => docker.createContainer({ name, ...body } as Docker.ContainerCreateOptions)),
    inspectContainer: (id) => found('inspect container', () => docker.getContainer(id).inspect()),
    listContainers: (label) =>
      call('list containers', () => docker.listContainers({ all: true, filters: { label: [label] } })),
    startContainer: (id) => fine('start container', [304], () => docker.getContainer(id).start()),
    stopContainer: (id, timeoutSec) =>
      fine('stop container', [304, 404], () =>
        docker.getContainer(id).stop(timeoutSec === undefined ? {} : { t: timeoutSec }),
      ),
    removeContainer: (id) =>
      fine('remove container', [404], () => docker.getContainer(id).remove({ force: true, v: true })),
    containerLogs: (id, options, signal) => call('container logs', () => openLogs(docker, id, options, signal), signal),
    hasImage: async (reference) =>
      (await found('inspect image', () => docker.getImage(reference).inspect())) !== undefined,
    pullImage: (reference, auth, signal) =>
      call(
        'pull image',
        async () => {
          const stream = (await docker.pull(reference, {
            abortSignal: signal,
            ...(auth === undefined ? {} : { authconfig: { key: auth } }),
          })) as Readable;
          await pullEnd(stream);
        },
        signal,
      ),
    createVolume: (body) =>
      call('create volume', async () => {
        const volume = await docker.createVolume(body);
        return { driver: 'Driver' in volume ? String(volume.Driver) : '' };
      }),
    inspectNetwork: (name) => found('inspect network', () => docker.getNetwork(name).inspect()),
    createNetwork: async (body) => {
      await call('create network', () => docker.createNetwork(body));
    },
    removeNetwork: (name) => fine('remove network', [404], () => docker.getNetwork(name).remove()),
    connectNetwork: async (network, body) => {
      await call('connect network', () => docker.getNetwork(network).connect(body));
    },
    close: () => agent.destroy(),
  };
}

/** GET /containers/ID/logs as a stream: dockerode's own call reads everything into memory unless it follows. */
function openLogs(docker: Docker, id: string, options: ContainerLogOptions, signal: AbortSignal): Promise<Readable> {
  return new Promise((resolve, reject) => {
    docker.modem.dial(
      {
        path: `/containers/${id}/logs?`,
        method: 'GET',
        options: { ...options, timestamps: true },
        abortSignal: signal,
        isStream: true,
        statusCodes: { 200: true, 404: 'no such container', 500: 'server error', 501: 'not supported' },
      },
      (error, stream) => (error ? reject(error) : resolve(stream as Readable)),
    );
  });
}

function connectionOf(address: string): Docker.DockerOptions {
  const unix = /^unix:\/\/(\/.+)$/.exec(address);
  if (unix?.[1]) return { socketPath: unix[1] };
  const tcp = /^tcp:\/\/(127\.\d+\.\d+\.\d+|localhost|\[::1\]):(\d+)$/.exec(address);
  if (tcp?.[1] && tcp[2]) return { protocol: 'http', host: tcp[1], port: Number(tcp[2]) };
  throw new NetdError('bad-engine-address', `engine address ${JSON.stringify(address)} is not one netd can use`, {
    mend: 'give the unix socket of the local engine, such as unix:///var/run/docker.sock',
  });
}

function statusOf(error: unknown): number {
  return error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 0;
}

/** Reads the pull progress (JSON messages one after the other) to its end; an `error` member is a failed pull. */
async function pullEnd(stream: Readable): Promise<void> {
  let tail = '';
  for await (const chunk of stream) {
    // Only the last message can be an error, and it is short: keep what may be its beginning.
    tail = (tail + String(chunk)).slice(-8192);
  }
  const match = /"error"\s*:\s*("(?:[^"\\]|\\.)*")/.exec(tail);
  if (match?.[1]) throw Object.assign(new Error(JSON.parse(match[1]) as string), { statusCode: 500 });
}
