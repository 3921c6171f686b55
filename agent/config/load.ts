import { open } from 'node:fs/promises';
import { errorText, isErrno, NetdError } from '#base/errors.ts';
import { DEFAULT_CONFIG_FILE, DEFAULT_RUN_DIR } from './config.ts';
import { type FileEntry, type Resolved, resolveConfig, type Sources } from './resolve.ts';
import { SETTINGS } from './settings.ts';

/** A configuration has a page or two; more is a wrong file given by mistake. */
const MAX_FILE_BYTES = 1024 * 1024;

export interface LoadOptions {
  readonly flags: Sources['flags'];
  readonly env: Sources['env'];
  /** `--config`. A file named here or in NETD_CONFIG must exist; the default one need not. */
  readonly configFile: string | undefined;
}

/**
 * Reads the configuration file, if there is one, and resolves everything into one AgentConfig. Touches nothing else.
 *
 * @throws what resolveConfig throws; NetdError `bad-config` if the file cannot be read or is not YAML.
 */
export async function loadConfig({ flags, env, configFile }: LoadOptions): Promise<Resolved> {
  const named = configFile ?? (env.NETD_CONFIG || undefined);
  const path = named ?? DEFAULT_CONFIG_FILE;
  const text = await readConfigFile(path, named !== undefined);
  if (text === null) return resolveConfig({ flags, env, file: null });
  const { parseConfigText } = await import('./file.ts'); // the YAML reader is loaded only when there is a file
  return resolveConfig({ flags, env, file: { path, entries: parseConfigText(text, path) } });
}

/**
 * The run directory a client command talks to. Lenient: a wrong configuration file must not keep anybody from asking the
 * running agent what is going on.
 */
export async function findRunDir(
  flag: string | undefined,
  env: Sources['env'],
  configFile: string | undefined,
): Promise<string> {
  const given = flag ?? (env.NETD_RUN_DIR || undefined) ?? (await runDirInFile(configFile ?? env.NETD_CONFIG));
  if (given === undefined) return DEFAULT_RUN_DIR;
  const parsed = SETTINGS['run-dir'].schema.safeParse(given);
  if (parsed.success) return parsed.data;
  throw new NetdError('bad-config', `bad value ${JSON.stringify(given)} for run-dir`, {
    mend: `Allowed: ${SETTINGS['run-dir'].allowed}.`,
  });
}

async function runDirInFile(path: string | undefined): Promise<string | undefined> {
  try {
    const text = await readConfigFile(path || DEFAULT_CONFIG_FILE, false);
    if (text === null) return undefined;
    const { parseConfigText } = await import('./file.ts');
    const entry = parseConfigText(text, '').find((candidate: FileEntry) => candidate.key === 'run-dir');
    return typeof entry?.value === 'string' ? entry.value : undefined;
  } catch {
    return undefined; // the agent refuses such a file loudly; a client goes on with the default
  }
}

async function readConfigFile(path: string, mustExist: boolean): Promise<string | null> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    if (size > MAX_FILE_BYTES) throw new Error(`it has ${size} bytes; at most ${MAX_FILE_BYTES} are read`);
    return await file.readFile('utf8');
  } catch (error) {
    if (!mustExist && isErrno(error, 'ENOENT', 'ENOTDIR')) return null;
    throw new NetdError('bad-config', `cannot read the configuration file ${path}: ${errorText(error)}`, {
      mend: 'Name another file with --config, or make this one readable.',
      cause: error,
    });
  }
}
