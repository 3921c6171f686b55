import { PassThrough, Readable } from 'node:stream';
import type { ContainerInspect, ContainerLogOptions, Engine } from '#agent/engine/engine.ts';
import { EngineUnreachable } from '#agent/engine/engine-error.ts';
import { engineLog, type FixtureEntry } from './engine-log.fixture.ts';
import { compareLogTime, type LogTime } from './log-time.ts';

export type ContainerStatus = 'created' | 'running' | 'exited';

interface ScriptedContainer {
  readonly tty: boolean;
  status: ContainerStatus;
  readonly entries: FixtureEntry[];
  readonly followers: Set<(entry: FixtureEntry | 'end') => void>;
  /** What the engine answers instead of a log. */
  readonly refusal?: Error;
}

/** Containers in memory with logs as dockerd would send them: its frames, its tail, its since, its follow. */
export class ScriptedEngine implements Pick<Engine, 'containerLogs' | 'inspectContainer'> {
  readonly #containers = new Map<string, ScriptedContainer>();
  readonly #streams = new Set<Readable>();
  #away = false;
  /** What it answers no more, neither yes nor no. */
  stuck: 'nothing' | 'inspect' | 'logs' | 'the rest of a log' = 'nothing';
  /** Calls of inspectContainer answered so far. */
  inspected = 0;
  /** Bytes of logs that were taken from the engine (of those that do not follow). */
  sentBytes = 0;
  /** Calls of containerLogs so far. */
  readonly asked: { readonly id: string; readonly options: ContainerLogOptions }[] = [];

  add(
    name: string,
    entries: readonly FixtureEntry[] = [],
    options: { tty?: boolean; status?: ContainerStatus; refusal?: Error } = {},
  ): void {
    const { tty = false, status = 'running', refusal } = options;
    this.#containers.set(name, {
      tty,
      status,
      entries: [...entries],
      followers: new Set(),
      ...(refusal ? { refusal } : {}),
    });
  }

  /** Streams of logs that are open. */
  get open(): number {
    return [...this.#streams].filter((stream) => !stream.destroyed).length;
  }

  start(name: string): void {
    this.#container(name).status = 'running';
  }

  write(name: string, ...entries: readonly FixtureEntry[]): void {
    const { entries: log, followers } = this.#container(name);
    for (const entry of entries) {
      log.push(entry);
      for (const tell of [...followers]) tell(entry);
    }
  }

  exit(name: string): void {
    const container = this.#container(name);
    container.status = 'exited';
    for (const tell of [...container.followers]) tell('end');
  }

  remove(name: string): void {
    if (this.#container(name).status === 'running') this.exit(name);
    this.#containers.delete(name);
  }

  /** The daemon is stopped; containers go on, as with live-restore. */
  goAway(): void {
    this.#away = true;
    for (const stream of this.#streams) stream.destroy(Object.assign(new Error('aborted'), { code: 'ECONNRESET' }));
  }

  comeBack(): void {
    this.#away = false;
  }

  inspectContainer = async (name: string): Promise<ContainerInspect | undefined> => {
    await this.#answer('inspect');
    this.inspected++;
    const container = this.#containers.get(name);
    if (!container) return undefined;
    const { tty, status } = container;
    const State = { Status: status, Running: status === 'running', Pid: 1, ExitCode: 0, Error: '' };
    return { Id: name, State, Config: { Tty: tty } } as ContainerInspect;
  };

  containerLogs = async (id: string, options: ContainerLogOptions): Promise<Readable> => {
    this.asked.push({ id, options });
    await this.#answer('logs');
    const container = this.#container(id);
    if (container.refusal) throw container.refusal;
    // A log can be followed only while the container runs; else the engine tells what there is and ends.
    const follow = options.follow && container.status === 'running';
    const past = wanted(container.entries, options);
    const stream = follow
      ? this.#follow(container, past, options)
      : Readable.from(this.#count(chunksOf(past, container.tty, options)));
    this.#streams.add(stream);
    stream.on('error', () => {});
    return stream;
  };

  #follow(container: ScriptedContainer, past: readonly FixtureEntry[], options: ContainerLogOptions): Readable {
    const stream = new PassThrough();
    for (const chunk of chunksOf(past, container.tty, options)) stream.write(chunk);
    const tell = (entry: FixtureEntry | 'end') => {
      if (entry === 'end') stream.end();
      else for (const chunk of chunksOf([entry], container.tty, options)) stream.write(chunk);
    };
    container.followers.add(tell);
    stream.once('close', () => container.followers.delete(tell));
    return stream;
  }

  async *#count(chunks: Iterable<Buffer>): AsyncGenerator<Buffer> {
    for (const chunk of chunks) {
      this.sentBytes += chunk.length;
      yield chunk;
    }
    if (this.stuck === 'the rest of a log') await new Promise(() => {});
  }

  #container(name: string): ScriptedContainer {
    const container = this.#containers.get(name);
    if (!container) throw new Error(`no container ${name}`);
    return container;
  }

  async #answer(call: 'inspect' | 'logs'): Promise<void> {
    if (this.stuck === call) await new Promise(() => {});
    if (this.#away) throw new EngineUnreachable('unix:///run/docker.sock', new Error('connect ECONNREFUSED'));
  }
}

/** As dockerd does it: the tail of both streams, then what is not too old, then the streams that are wanted. */
function wanted(entries: readonly FixtureEntry[], { tail, since }: ContainerLogOptions): readonly FixtureEntry[] {
  const last = tail === 'all' ? entries : entries.slice(entries.length - Math.min(tail, entries.length));
  const [seconds = '0', nanos = '0'] = since?.split('.') ?? [];
  const from: LogTime = { seconds: BigInt(seconds), nanos: Number(nanos) };
  return since === undefined ? last : last.filter(({ time }) => compareLogTime(time, from) >= 0);
}

/** Every log entry is written on its own; chunks of seven bytes would be as right, and some are. */
function* chunksOf(entries: readonly FixtureEntry[], tty: boolean, options: ContainerLogOptions): Generator<Buffer> {
  for (const entry of entries) {
    if (entry.source === 'stdout' && !options.stdout) continue;
    if (entry.source === 'stderr' && !options.stderr) continue;
    const bytes = engineLog([entry], tty);
    yield bytes.subarray(0, 7);
    yield bytes.subarray(7);
  }
}
