import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { join } from 'node:path';
import type { Bed } from './bed.ts';
import type { Image } from './image.ts';
import { RegistryContent } from './registry-content.ts';

export interface RegistryOptions {
  readonly port?: number;
  /** Who may pull; without it everybody may. */
  readonly login?: { readonly username: string; readonly password: string };
}

/** One request, as the registry saw it. `status` is what it answered. */
export interface RegistryRequest {
  readonly method: string;
  readonly path: string;
  readonly username: string | undefined;
  readonly status: number;
}

/**
 * A registry of images (pull side of the OCI Distribution Specification 1.1) in the test's own process, reachable for every
 * host of the bed. It speaks plain HTTP: engines need `insecureRegistries: [registry.address]`.
 */
export class Registry implements AsyncDisposable {
  /** `address:port`, the first part of its images' names. */
  readonly address: string;
  /** Every request so far, oldest first. */
  readonly requests: readonly RegistryRequest[];
  readonly #server: Server;
  readonly #content: RegistryContent;

  private constructor(address: string, server: Server, content: RegistryContent, requests: readonly RegistryRequest[]) {
    this.address = address;
    this.#server = server;
    this.#content = content;
    this.requests = requests;
  }

  static async start(bed: Bed, options: RegistryOptions = {}): Promise<Registry> {
    const port = options.port ?? 5000;
    const content = new RegistryContent();
    const requests: RegistryRequest[] = [];
    const server = createServer((request, response) => {
      const { method = '', url: path = '' } = request;
      const username = usernameOf(request, options.login);
      const allowed = options.login === undefined || username !== undefined;
      const { status, headers, body } = content.reply({ method, path, allowed });
      requests.push({ method, path, username, status });
      response.writeHead(status, headers).end(body);
    });
    const socketPath = join(bed.scratch, `registry-${port}.sock`);
    await once(server.listen(socketPath), 'listening');
    return new Registry(await bed.switch.expose(socketPath, port), server, content, requests);
  }

  /**
   * Offers an image under a repository and tag, such as `private/app`, `1`. Gives its name with the tag and its name with
   * the digest, as they go into a service.
   */
  put(image: Image, repository: string, tag: string): { readonly tagged: string; readonly pinned: string } {
    this.#content.put(image, repository, tag);
    const name = `${this.address}/${repository}`;
    return { tagged: `${name}:${tag}`, pinned: `${name}@${image.manifest.digest}` };
  }

  /** Takes everything offered under that repository back. */
  remove(repository: string): void {
    this.#content.remove(repository);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** The user whose name and password the request carries (RFC 7617); undefined when there is none or they are wrong. */
function usernameOf(request: IncomingMessage, login: RegistryOptions['login']): string | undefined {
  const [scheme, encoded = ''] = (request.headers.authorization ?? '').split(' ');
  if (login === undefined || scheme?.toLowerCase() !== 'basic') return undefined;
  const given = Buffer.from(encoded, 'base64').toString('utf8');
  return given === `${login.username}:${login.password}` ? login.username : undefined;
}
