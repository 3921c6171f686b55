import { readFileSync } from 'node:fs';
import * as z from 'zod/mini';

/** What the engine takes for containers that name no servers or options of their own. */
export interface EngineDns {
  readonly servers: readonly string[];
  readonly options: readonly string[];
}

/** Where Docker's engine has its settings, unless told otherwise. Its API does not tell of these. */
const ENGINE_FILE = '/etc/docker/daemon.json';
const NONE: EngineDns = { servers: [], options: [] };

/** A wrong type here keeps the engine from starting, so it is no setting of the one that runs. */
const words = z.pipe(
  z.catch(z.nullish(z.array(z.string())), undefined),
  z.transform((value) => value ?? []),
);
const settings = z.object({ dns: words, 'dns-opts': words });

/** The resolver's part of the engine's settings; none for a file that is none. Its search domains the engine writes itself. */
export function parseEngineDns(text: string): EngineDns {
  try {
    const { dns, 'dns-opts': options } = settings.parse(JSON.parse(text));
    return { servers: dns, options };
  } catch {
    return NONE;
  }
}

/** The settings as they are in the engine's file now. */
export function readEngineDns(): EngineDns {
  try {
    return parseEngineDns(readFileSync(ENGINE_FILE, 'utf8'));
  } catch {
    return NONE; // most engines have none
  }
}
