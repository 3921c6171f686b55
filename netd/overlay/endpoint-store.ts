import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { errorText, isErrno, NetdError } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import type { LocalEndpoint } from './endpoint.ts';

const FORMAT = 1;
const SUFFIX = '.json';

/** Endpoint ids are file names here, and the engine is not the only one who can reach the driver's socket. */
const ENDPOINT_ID = /^[0-9A-Za-z][0-9A-Za-z_.-]{0,127}$/;

const schema = z.object({
  format: z.literal(FORMAT),
  networkId: z.string(),
  endpointId: z.string().check(z.regex(ENDPOINT_ID)),
  address: z.string(),
  mac: z.string(),
  sandboxKey: z.optional(z.string()),
  interfaceName: z.optional(z.string()),
});

/**
 * The endpoints of this node, on the same tmpfs as the namespaces: both outlive a restart of netd and end with a reboot.
 * Small files, written whole or not at all; without flushing, since memory is all there is.
 */
export class EndpointStore {
  readonly #directory: string;
  readonly #endpoints = new Map<string, LocalEndpoint>();

  /** Reads what an earlier life left; a file that makes no sense is told and left out. */
  constructor(directory: string, logger: Logger) {
    this.#directory = directory;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    for (const file of readdirSync(directory)) {
      if (!file.endsWith(SUFFIX)) continue;
      try {
        const {
          format: _,
          sandboxKey,
          interfaceName,
          ...read
        } = schema.parse(JSON.parse(readFileSync(join(directory, file), 'utf8')));
        if (`${read.endpointId}${SUFFIX}` !== file) throw new Error(`it is about endpoint ${read.endpointId}`);
        this.#endpoints.set(read.endpointId, { ...read, sandboxKey, interfaceName });
      } catch (error) {
        logger.warn({ file: join(directory, file), reason: errorText(error) }, 'endpoint file left out');
      }
    }
  }

  get(endpointId: string): LocalEndpoint | undefined {
    return this.#endpoints.get(endpointId);
  }

  all(): readonly LocalEndpoint[] {
    return [...this.#endpoints.values()];
  }

  of(networkId: string): readonly LocalEndpoint[] {
    return this.all().filter((endpoint) => endpoint.networkId === networkId);
  }

  /** @throws NetdError when the id cannot be a file name; system errors of writing */
  put(endpoint: LocalEndpoint): void {
    if (!ENDPOINT_ID.test(endpoint.endpointId)) {
      throw new NetdError(
        'bad-endpoint',
        `endpoint id ${JSON.stringify(endpoint.endpointId)} is not one of the engine`,
      );
    }
    const path = this.#path(endpoint.endpointId);
    const temporary = `${path}.tmp`;
    writeFileSync(temporary, `${JSON.stringify({ format: FORMAT, ...endpoint })}\n`, { mode: 0o600 });
    renameSync(temporary, path);
    this.#endpoints.set(endpoint.endpointId, endpoint);
  }

  delete(endpointId: string): void {
    if (!this.#endpoints.delete(endpointId)) return;
    try {
      rmSync(this.#path(endpointId));
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }

  #path(endpointId: string): string {
    return join(this.#directory, `${endpointId}${SUFFIX}`);
  }
}
