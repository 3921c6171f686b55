import type { ContainerSpec } from '#proto/gen/swarmkit/types_pb.js';

/**
 * Registry credentials on their way from the manager to the engine. Printing it in any way shows nothing: only
 * `reveal`, called where the request is written, gives the header's value.
 */
export class RegistryAuth {
  readonly #header: string;

  constructor(header: string) {
    this.#header = header;
  }

  /** The value of the engine's `X-Registry-Auth` header: URL-safe base64 of a JSON object. Never log it. */
  reveal(): string {
    return this.#header;
  }

  toString(): string {
    return '[registry credentials]';
  }

  toJSON(): string {
    return this.toString();
  }
}

/**
 * The credentials of a task's image. They come in the header's own form; what is not a JSON object in base64 is worth a
 * warning and an anonymous pull, as Docker does (spec swarmkit-worker §4.8).
 */
export function registryAuth(spec: ContainerSpec): RegistryAuth | 'none' | 'unreadable' {
  const encoded = spec.pullOptions?.registryAuth ?? '';
  if (encoded === '') return 'none';
  const members = parseObject(encoded);
  if (members === undefined) return 'unreadable';
  // Written anew: the engine wants padding and the URL-safe alphabet, whatever the sender used.
  return new RegistryAuth(urlSafeBase64(JSON.stringify(members)));
}

/** The form Go's base64.URLEncoding reads: `-` and `_`, with padding, which Node's `base64url` leaves out. */
function urlSafeBase64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}

function parseObject(encoded: string): object | undefined {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(encoded, 'base64url').toString('utf8'));
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}
