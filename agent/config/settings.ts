import type * as z from 'zod/mini';
import type { SettingKey, Settings } from './config.ts';
import { DEFAULT_RUN_DIR } from './config.ts';
import * as values from './values.ts';

/** One thing an operator can set: its names, how it is read, and what people are told about it. */
export interface Setting<Value> {
  /** As commander writes it. A flag with `list` may be repeated. */
  readonly flag: string;
  readonly env: string;
  readonly list: boolean;
  /** One line for `--help`. */
  readonly help: string;
  /** What is allowed, as the end of "allowed: …". */
  readonly allowed: string;
  /** The values there are, if they can be listed: for completion and for "did you mean". */
  readonly choices: readonly string[];
  /** The default, in the form a flag has. */
  readonly fallback: string;
  readonly schema: z.ZodMiniType<Value>;
}

/**
 * Everything that can be set, in one table: flags, environment, file keys, help, completion and error texts are made
 * from it, so they cannot disagree.
 */
export const SETTINGS: { readonly [K in SettingKey]: Setting<Settings[K]> } = {
  'state-dir': {
    flag: '--state-dir <dir>',
    env: 'NETD_STATE_DIR',
    list: false,
    help: 'certificates, keys, last assignments',
    allowed: 'an absolute path of at most 80 bytes',
    choices: [],
    fallback: '/var/lib/netd',
    schema: values.directory,
  },
  'run-dir': {
    flag: '--run-dir <dir>',
    env: 'NETD_RUN_DIR',
    list: false,
    help: 'socket of the local API',
    allowed: 'an absolute path of at most 80 bytes',
    choices: [],
    fallback: DEFAULT_RUN_DIR,
    schema: values.directory,
  },
  engine: {
    flag: '--engine <address>',
    env: 'NETD_ENGINE',
    list: false,
    help: 'Docker engine that runs the tasks',
    allowed: 'unix:///PATH or tcp://HOST:PORT',
    choices: [],
    fallback: 'unix:///var/run/docker.sock',
    schema: values.engineAddress,
  },
  'plugin-dir': {
    flag: '--plugin-dir <dir>',
    env: 'NETD_PLUGIN_DIR',
    list: false,
    help: 'where the engine looks for the socket of the network driver',
    allowed: 'an absolute path of at most 80 bytes',
    choices: [],
    fallback: '/run/docker/plugins',
    schema: values.directory,
  },
  'metrics-addr': {
    flag: '--metrics-addr <host:port>',
    env: 'NETD_METRICS_ADDR',
    list: false,
    help: 'serve Prometheus metrics at /metrics, plain HTTP; empty for nowhere',
    allowed: 'HOST:PORT, such as 127.0.0.1:9323, or nothing',
    choices: [],
    fallback: '',
    schema: values.listenAddress,
  },
  'log-level': {
    flag: '--log-level <level>',
    env: 'NETD_LOG_LEVEL',
    list: false,
    help: 'least severity that is logged',
    allowed: 'debug, info, warn or error',
    choices: values.LOG_LEVELS,
    fallback: 'info',
    schema: values.logLevel,
  },
  'generic-resources': {
    flag: '--generic-resource <kind=value>',
    env: 'NETD_GENERIC_RESOURCES',
    list: true,
    help: "resource offered to the manager, in place of the engine's; repeatable",
    allowed: 'KIND=NUMBER once per kind, or KIND=NAME once per thing, such as gpu=2 or gpu=UUID1',
    choices: [],
    fallback: '',
    schema: values.genericResources,
  },
  labels: {
    flag: '--label <key=value>',
    env: 'NETD_LABELS',
    list: true,
    help: "engine label added to the engine's own; repeatable",
    allowed: 'KEY=VALUE, where KEY has no spaces and is not in a namespace of Docker',
    choices: [],
    fallback: '',
    schema: values.labels,
  },
};

export const SETTING_KEYS = Object.keys(SETTINGS) as readonly SettingKey[];

/** Variables netd reads besides those of the settings. */
export const OTHER_VARIABLES = ['NETD_CONFIG', 'NETD_JOIN_TOKEN'] as const;

/** Of dockerd, which has no flag for it; units and images that set it for dockerd set it for netd (spec swarmkit-worker §4.8). */
export const OFFLINE_IMAGE_VARIABLE = 'DOCKER_SERVICE_PREFER_OFFLINE_IMAGE';

/** The name of the flag alone, such as `--state-dir`. */
export function flagName(setting: Setting<unknown>): string {
  return setting.flag.split(' ')[0] ?? setting.flag;
}
