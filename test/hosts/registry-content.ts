import type { Blob, Image } from './image.ts';

export interface RegistryReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body?: string | Buffer;
}

const ENTRY_PATH = /^\/v2\/(?<repository>.+)\/(?<entry>(?<kind>blobs|manifests)\/[^/]+)$/;

/** What a registry offers (per repository: blobs by digest, manifests by digest and by tag), and what it says about it. */
export class RegistryContent {
  readonly #repositories = new Map<string, Map<string, Blob>>();

  put(image: Image, repository: string, tag: string): void {
    const entries = this.#repositories.get(repository) ?? new Map<string, Blob>();
    this.#repositories.set(repository, entries);
    for (const blob of [image.layer, image.config]) entries.set(`blobs/${blob.digest}`, blob);
    for (const reference of [tag, image.manifest.digest]) entries.set(`manifests/${reference}`, image.manifest);
  }

  remove(repository: string): void {
    this.#repositories.delete(repository);
  }

  /** The answer to a request, by the pull side of the OCI Distribution Specification 1.1. */
  reply(request: { readonly method: string; readonly path: string; readonly allowed: boolean }): RegistryReply {
    if (!request.allowed) {
      const challenge = { 'WWW-Authenticate': 'Basic realm="netd test bed"' };
      return refusal(401, 'UNAUTHORIZED', 'authentication required', challenge);
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') return refusal(405, 'UNSUPPORTED', 'pulling only');
    if (request.path === '/v2/') return { status: 200, headers: {}, body: '{}' };
    const { repository = '', entry = '', kind } = ENTRY_PATH.exec(request.path)?.groups ?? {};
    const blob = this.#repositories.get(repository)?.get(entry);
    if (blob === undefined) {
      return refusal(404, kind === 'blobs' ? 'BLOB_UNKNOWN' : 'MANIFEST_UNKNOWN', `${repository} has no ${entry}`);
    }
    const headers = {
      'Content-Type': blob.mediaType,
      'Content-Length': blob.bytes.length,
      'Docker-Content-Digest': blob.digest,
    };
    return request.method === 'GET' ? { status: 200, headers, body: blob.bytes } : { status: 200, headers };
  }
}

function refusal(status: number, code: string, message: string, headers: RegistryReply['headers'] = {}): RegistryReply {
  return {
    status,
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify({ errors: [{ code, message }] }),
  };
}
