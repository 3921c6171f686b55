import { NetdError } from '#base/errors.ts';
import type { AgentConfig, Origin, SettingKey, Settings } from './config.ts';
import { didYouMean, nearest } from './nearest.ts';
import { flagName, OFFLINE_IMAGE_VARIABLE, OTHER_VARIABLES, SETTING_KEYS, SETTINGS, type Setting } from './settings.ts';

/** A key of the configuration file, with the line it stands on. */
export interface FileEntry {
  readonly key: string;
  readonly value: unknown;
  readonly line: number;
}

export interface Sources {
  /** By setting key: what the flags said; a repeated flag gives a list. */
  readonly flags: Readonly<Partial<Record<SettingKey, string | readonly string[]>>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly file: { readonly path: string; readonly entries: readonly FileEntry[] } | null;
}

export interface Resolved {
  readonly config: AgentConfig;
  /** Things that were ignored, each a sentence for the operator. */
  readonly warnings: readonly string[];
}

/**
 * Puts flags over environment over file over defaults, and checks every value, also those that lose: a wrong line in the
 * file is wrong even while a flag hides it. A list given in one place replaces the list of a weaker place whole.
 *
 * @throws NetdError `bad-config` with the key, flag or variable, the value, and what is allowed; an AggregateError of such
 * errors if there is more than one.
 */
export function resolveConfig(sources: Sources): Resolved {
  const faults: NetdError[] = unknownKeys(sources);
  const origins: Partial<Record<SettingKey, Origin>> = {};

  const pick = <K extends SettingKey>(key: K): Settings[K] => {
    const setting: Setting<Settings[K]> = SETTINGS[key];
    let chosen: Settings[K] | undefined;
    for (const given of candidates(key, setting, sources)) {
      const parsed = setting.schema.safeParse(given.value);
      if (!parsed.success) {
        faults.push(badValue(given, setting, parsed.error.issues));
      } else if (chosen === undefined) {
        chosen = parsed.data;
        origins[key] = given.origin;
      }
    }
    // Only when every place had a fault, the default included, is there no value; the throw below then ends it.
    return chosen as Settings[K];
  };

  const settings: Settings = {
    'state-dir': pick('state-dir'),
    'run-dir': pick('run-dir'),
    engine: pick('engine'),
    'plugin-dir': pick('plugin-dir'),
    'metrics-addr': pick('metrics-addr'),
    'log-level': pick('log-level'),
    'generic-resources': pick('generic-resources'),
    labels: pick('labels'),
  };
  if (faults.length === 0) faults.push(...contradictions(settings, sources));
  if (faults.length === 1) throw faults[0];
  if (faults.length > 1) throw new AggregateError(faults, 'the configuration has errors');

  const config: AgentConfig = Object.freeze({
    stateDir: settings['state-dir'],
    runDir: settings['run-dir'],
    engine: settings.engine,
    pluginDir: settings['plugin-dir'],
    metricsAddr: settings['metrics-addr'],
    logLevel: settings['log-level'],
    genericResources: Object.freeze(settings['generic-resources']),
    labels: settings.labels,
    preferOfflineImage: sources.env[OFFLINE_IMAGE_VARIABLE] === '1',
    configFile: sources.file?.path ?? null,
    origins: Object.freeze(origins as Record<SettingKey, Origin>),
  });
  return { config, warnings: [...unknownVariables(sources.env), ...halfMeant(sources.env)] };
}

interface Given {
  readonly origin: Origin;
  /** How to name the place to a person. */
  readonly where: string;
  readonly value: unknown;
}

function* candidates(key: SettingKey, setting: Setting<unknown>, { flags, env, file }: Sources): Generator<Given> {
  const flag = flags[key];
  if (flag !== undefined) yield { origin: 'flag', where: flagName(setting), value: flag };
  // An empty variable counts as not set: that is how unit files and compose files blank one out.
  if (env[setting.env]) yield { origin: 'environment', where: setting.env, value: env[setting.env] };
  const entry = file?.entries.find((candidate) => candidate.key === key);
  if (entry) yield { origin: 'file', where: `${key} in ${file?.path}:${entry.line}`, value: entry.value };
  if (key === 'engine' && env.DOCKER_HOST) yield { origin: 'default', where: 'DOCKER_HOST', value: env.DOCKER_HOST };
  yield { origin: 'default', where: `default of ${key}`, value: setting.fallback };
}

interface Issue {
  readonly code?: string | undefined;
  readonly message: string;
}

function badValue(given: Given, setting: Setting<unknown>, issues: readonly Issue[]): NetdError {
  const shown = JSON.stringify(given.value) ?? String(given.value);
  // Only our own checks know a reason worth reading; a wrong type says enough by what is allowed.
  const reason = issues[0]?.code === 'custom' ? `: ${withoutValue(issues[0].message, shown)}` : '';
  const guess = typeof given.value === 'string' ? didYouMean(given.value, setting.choices) : '';
  return new NetdError('bad-config', `bad value ${shown} for ${given.where}${reason}`, {
    mend: `Allowed: ${setting.allowed}${guess}.`,
  });
}

/** A reason that quotes the value first need not do so again. */
function withoutValue(reason: string, shown: string): string {
  return reason.startsWith(`${shown}: `) ? reason.slice(shown.length + 2) : reason;
}

function unknownKeys({ file }: Sources): NetdError[] {
  const known: readonly string[] = SETTING_KEYS;
  return (file?.entries ?? [])
    .filter((entry) => !known.includes(entry.key))
    .map((entry) => {
      const guess = nearest(entry.key, known);
      return new NetdError('bad-config', `unknown key "${entry.key}" in ${file?.path}:${entry.line}`, {
        mend: guess === undefined ? `Known keys: ${known.join(', ')}.` : `Did you mean "${guess}"?`,
      });
    });
}

/** Values that are fine alone and wrong together. */
function contradictions(settings: Settings, { env }: Sources): NetdError[] {
  const faults: NetdError[] = [];
  const state = settings['state-dir'];
  const run = settings['run-dir'];
  if (run === state || run.startsWith(`${state}/`)) {
    faults.push(
      new NetdError('bad-config', `run-dir ${run} lies in state-dir ${state}, which "netd leave" empties`, {
        mend: 'Give them two directories, such as /run/netd and /var/lib/netd.',
      }),
    );
  }
  if (settings.engine.startsWith('tcp:') && env.DOCKER_TLS_VERIFY) {
    faults.push(
      new NetdError('bad-config', `DOCKER_TLS_VERIFY asks for TLS to ${settings.engine}, which netd does not speak`, {
        mend: "Use the engine's unix socket; netd must run on the engine's own host anyway.",
      }),
    );
  }
  return faults;
}

/** A variable nobody reads may be a slip, but may also come from elsewhere (Kubernetes sets NETD_PORT for a service "netd"). */
function unknownVariables(env: Sources['env']): string[] {
  const known: string[] = [...SETTING_KEYS.map((key) => SETTINGS[key].env), ...OTHER_VARIABLES];
  return Object.keys(env)
    .filter((name) => name.startsWith('NETD_') && !known.includes(name))
    .map((name) => `the variable ${name} means nothing to netd and is ignored${didYouMean(name, known)}`);
}

/** dockerd knows one value, and so do we: a host must not behave otherwise only because its worker was exchanged. */
function halfMeant({ [OFFLINE_IMAGE_VARIABLE]: value }: Sources['env']): string[] {
  if (!value || value === '1') return [];
  return [`${OFFLINE_IMAGE_VARIABLE} is ${JSON.stringify(value)}, so images are pulled: only "1" keeps netd from it`];
}
