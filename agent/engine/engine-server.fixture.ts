import { rm } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';

/** What a path answers: a body, a status, the beginning of an answer that goes on with `goOn`, or nothing at all. */
export type Answer =
  | { readonly json: unknown }
  | { readonly status: number; readonly text: string }
  | { readonly begins: string }
  | 'silence';

export const VERSION = { Version: '28.5.2', ApiVersion: '1.51' };
export const INFO = {
  ID: 'engine',
  Name: 'host',
  ServerVersion: '28.5.2',
  OSType: 'linux',
  Architecture: 'x86_64',
  NCPU: 4,
  MemTotal: 8_000_000_000,
  Plugins: { Volume: ['local'], Network: ['bridge', 'host', 'null'], Log: ['json-file'] },
  DockerRootDir: '/var/lib/docker',
  Swarm: { LocalNodeState: 'inactive' },
};

/** The few answers of an engine its watch asks for, on a unix socket that can go away and come back. */
export class EngineServer implements AsyncDisposable {
  readonly path: string;
  answers: Record<string, Answer> = {
    '/version': { json: VERSION },
    '/info': { json: INFO },
    '/plugins': { json: [] },
    '/networks': { json: [] },
  };
  /** Every request, in order. */
  readonly requests: string[] = [];
  readonly #listeners = new Set<ServerResponse>();
  readonly #begun = new Set<ServerResponse>();
  #server: Server | undefined;

  constructor(path: string) {
    this.path = path;
  }

  get address(): string {
    return `unix://${this.path}`;
  }

  /** How many listen for events. */
  get listening(): number {
    return this.#listeners.size;
  }

  start(): Promise<void> {
    const server = createServer((request, response) => {
      const path = (request.url ?? '').replace(/\?.*$/, '');
      this.requests.push(path);
      const answer = this.answers[path];
      if (answer === 'silence') return;
      if (answer !== undefined) {
        if ('json' in answer) response.end(JSON.stringify(answer.json));
        else if ('begins' in answer) this.#begin(response, answer.begins);
        else response.writeHead(answer.status).end(answer.text);
        return;
      }
      if (path !== '/events') {
        response.writeHead(404).end('{"message":"page not found"}');
        return;
      }
      response.flushHeaders();
      this.#listeners.add(response);
      response.on('close', () => this.#listeners.delete(response));
    });
    this.#server = server;
    return new Promise((resolve) => server.listen(this.path, resolve));
  }

  /** How many answers have begun and not ended. */
  get begun(): number {
    return this.#begun.size;
  }

  /** More of every answer that has begun. */
  goOn(text: string): void {
    for (const response of this.#begun) response.write(text);
  }

  /** The end of every answer that has begun. */
  endBegun(): void {
    for (const response of this.#begun) response.end();
  }

  #begin(response: ServerResponse, text: string): void {
    response.write(text);
    this.#begun.add(response);
    response.on('close', () => this.#begun.delete(response));
  }

  event(action: string, id: string): void {
    for (const listener of this.#listeners)
      listener.write(`${JSON.stringify({ Action: action, Actor: { ID: id } })}\n`);
  }

  /** Ends the event streams, and nothing else. */
  endEvents(): void {
    for (const listener of this.#listeners) listener.end();
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    server?.closeAllConnections();
    await new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve()));
    await rm(this.path, { force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
