import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import Docker from 'dockerode';
import { eventually } from './eventually.ts';
import type { HostProcess } from './host-process.ts';
import { BUSYBOX, busyboxImage, dockerArchive, type Image } from './image.ts';
import type { Shell } from './shell.ts';

export interface EngineOptions {
  /** Containers outlive the daemon. Docker's own swarm mode refuses it. */
  readonly liveRestore?: boolean;
  /** `KEY=VALUE` labels of the daemon. */
  readonly labels?: readonly string[];
  /** Registries spoken to in plain HTTP, such as `10.77.1.3:5000`. */
  readonly insecureRegistries?: readonly string[];
  /** Whatever else belongs into daemon.json. */
  readonly daemonJson?: Readonly<Record<string, unknown>>;
}

/** A slow machine under load takes a few seconds; a daemon that cannot start ends much earlier. */
const START_TIMEOUT_MS = 60_000;

const CONTAINERD_SOCKET = '/run/containerd/containerd.sock';

/**
 * The engine has no use for what speaks to Kubernetes, by its names of containerd 1 and 2, and Docker's own packages turn it
 * off; Debian's do not. It costs time, and one of the 128 inotify instances root has.
 */
const CONTAINERD_CONFIG = `version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime"]
`;

/** The host's Docker engine. */
export class Engine {
  readonly #host: Shell;
  readonly #cgroup: string;
  #options: EngineOptions = {};
  #process: HostProcess | undefined;
  #containerd: HostProcess | undefined;

  /** `cgroup` is the parent of the control groups of the host's containers. */
  constructor(host: Shell, cgroup: string) {
    this.#host = host;
    this.#cgroup = cgroup;
  }

  /** Path of the API socket as seen from outside the host. */
  get socketPath(): string {
    return this.#host.path('/run/docker.sock');
  }

  get running(): boolean {
    return this.#process?.running === true;
  }

  /** The daemon's process. @throws Error when it was never started. */
  get process(): HostProcess {
    if (this.#process === undefined) throw new Error(`the engine of ${this.#host.name} was not started`);
    return this.#process;
  }

  /** A client of the engine's HTTP API. */
  api(): Docker {
    return new Docker({ socketPath: this.socketPath });
  }

  /**
   * Starts dockerd and waits until it answers. Without options it starts as it did the last time.
   *
   * @throws Error with the end of its log when it ends instead.
   */
  async start(options?: EngineOptions): Promise<void> {
    if (this.running) throw new Error(`the engine of ${this.#host.name} runs already`);
    this.#options = options ?? this.#options;
    mkdirSync(this.#host.path('/etc/docker'), { recursive: true });
    writeFileSync(this.#host.path('/etc/docker/daemon.json'), JSON.stringify(this.#daemonJson()));
    await this.#startContainerd();
    // A killed daemon leaves it; its number may be somebody else's by now.
    rmSync(this.#host.path('/run/docker.pid'), { force: true });
    const daemon = await this.#host.spawn('dockerd', ['dockerd', '--containerd', CONTAINERD_SOCKET]);
    this.#process = daemon;
    const api = this.api();
    await eventually(
      `dockerd of ${this.#host.name} answers`,
      async () => !daemon.running || (await api.ping()) !== undefined,
      { timeoutMs: START_TIMEOUT_MS, intervalMs: 20 },
    );
    if (!daemon.running) throw new Error(`dockerd of ${this.#host.name} ended: ${daemon.logTail()}`);
  }

  /** Ends dockerd in order: containers are stopped, unless live-restore keeps them. */
  async stop(): Promise<void> {
    await this.process.stop();
  }

  /** SIGKILL to dockerd; containers live on, and the next start finds them (and keeps them, with live-restore). */
  async kill(): Promise<void> {
    await this.process.crash();
  }

  async restart(options?: EngineOptions): Promise<void> {
    await this.stop();
    await this.start(options);
  }

  /** Puts an image into the engine's store under the given name; it has no registry digest. */
  async load(image: Image = busyboxImage(), reference: string = BUSYBOX): Promise<void> {
    const archive = Readable.from([dockerArchive(image, [reference])]);
    const answer = await text(await this.api().loadImage(archive, { quiet: true }));
    if (!answer.includes('Loaded image')) throw new Error(`${this.#host.name} did not load ${reference}: ${answer}`);
  }

  /** containerd is a service of its own, as on a real host; it outlives dockerd, and is started when there is none. */
  async #startContainerd(): Promise<void> {
    if (this.#containerd?.running === true) return;
    const socket = this.#host.path(CONTAINERD_SOCKET);
    rmSync(socket, { force: true });
    writeFileSync(this.#host.path('/etc/containerd/config.toml'), CONTAINERD_CONFIG);
    const daemon = await this.#host.spawn('containerd', ['containerd', '--log-level', 'warn']);
    this.#containerd = daemon;
    await eventually(`containerd of ${this.#host.name} listens`, () => !daemon.running || existsSync(socket), {
      timeoutMs: START_TIMEOUT_MS,
      intervalMs: 10,
    });
    if (!daemon.running) throw new Error(`containerd of ${this.#host.name} ended: ${daemon.logTail()}`);
  }

  #daemonJson(): Readonly<Record<string, unknown>> {
    const { liveRestore = false, labels = [], insecureRegistries = [], daemonJson = {} } = this.#options;
    return {
      'storage-driver': 'overlay2',
      // There is no systemd in a test host, and one parent makes the control groups of a bed findable.
      'exec-opts': ['native.cgroupdriver=cgroupfs'],
      'cgroup-parent': this.#cgroup,
      'live-restore': liveRestore,
      labels,
      'insecure-registries': insecureRegistries,
      ...daemonJson,
    };
  }
}
