import type { LogLevel } from '#base/log.ts';
import type { HostPort } from '#pki/address.ts';
import type { GenericResource } from './generic-resources.ts';

/** What an operator can set, by the key it has in `netd.yaml`. Every value is checked; nothing here can be refused later. */
export interface Settings {
  /** Absolute path of the directory that holds certificates, keys and last assignments. */
  readonly 'state-dir': string;
  /** Absolute path of the directory that holds the local API's socket. */
  readonly 'run-dir': string;
  /** Where the engine answers: `unix:///path` or `tcp://host:port`. */
  readonly engine: string;
  /** Absolute path of the directory where the engine looks for its plugins: netd's network driver has its socket there. */
  readonly 'plugin-dir': string;
  /** Where metrics are served over HTTP; null serves none. */
  readonly 'metrics-addr': HostPort | null;
  readonly 'log-level': LogLevel;
  /** What the node offers besides CPU and memory (spec swarmkit-worker §4.15). */
  readonly 'generic-resources': readonly GenericResource[];
  /** Engine labels added to the engine's own; a label here wins over the engine's label of the same name. */
  readonly labels: Readonly<Record<string, string>>;
}

export type SettingKey = keyof Settings;

/** Where a value came from, strongest first. */
export type Origin = 'flag' | 'environment' | 'file' | 'default';

/** The agent's configuration, frozen: the one value the composition root starts from. */
export interface AgentConfig {
  readonly stateDir: string;
  readonly runDir: string;
  readonly engine: string;
  readonly pluginDir: string;
  readonly metricsAddr: HostPort | null;
  readonly logLevel: LogLevel;
  readonly genericResources: readonly GenericResource[];
  readonly labels: Readonly<Record<string, string>>;
  /** Docker's escape hatch: images of tasks are never pulled (spec swarmkit-worker §4.8). */
  readonly preferOfflineImage: boolean;
  /** The file that was read; null when there was none. */
  readonly configFile: string | null;
  readonly origins: Readonly<Record<SettingKey, Origin>>;
}

export const DEFAULT_CONFIG_FILE = '/etc/netd/netd.yaml';
export const DEFAULT_RUN_DIR = '/run/netd';

/** The local API's socket in the run directory. */
export function socketPath(runDir: string): string {
  return `${runDir}/netd.sock`;
}
