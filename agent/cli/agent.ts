import { type Command, Option } from 'commander';
import type { AgentConfig, SettingKey } from '#agent/config/config.ts';
import { flagName, OFFLINE_IMAGE_VARIABLE, SETTING_KEYS, SETTINGS } from '#agent/config/settings.ts';
import { formatHostPort } from '#pki/address.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './exit.ts';

export function defineAgent(program: Command, context: CliContext): void {
  const command = program
    .command('agent')
    .description('Run the daemon in the foreground')
    .option('--config <file>', 'configuration file (env: NETD_CONFIG, default: /etc/netd/netd.yaml if it exists)')
    .option('--check', 'check and print the configuration, then exit')
    .addHelpText('after', HELP)
    .action(async () => context.finish(await runAgent(context, command)));
  for (const key of SETTING_KEYS) command.addOption(settingOption(key));
}

const HELP = `
Flags win over environment variables (marked "env"; lists are separated by
commas), these over the configuration file, and that over the defaults. A list
given in one place replaces the whole list of a weaker place. Without --engine
the variable DOCKER_HOST is looked at, as the docker command does. With
DOCKER_SERVICE_PREFER_OFFLINE_IMAGE=1 images are never pulled, as with dockerd.

The configuration file is YAML. Its keys are the long flags without dashes, and
two lists:
  log-level: debug
  generic-resources: [gpu=UUID1, gpu=UUID2, ssd=2]
  labels:
    zone: b

Examples:
  netd agent --check
  netd agent --log-level debug --label zone=b --generic-resource gpu=2`;

function settingOption(key: SettingKey): Option {
  const setting = SETTINGS[key];
  const fallback = setting.fallback === '' ? '' : `, default: ${setting.fallback}`;
  const option = new Option(setting.flag, `${setting.help} (env: ${setting.env}${fallback})`);
  // The choices are for help and completion. The value is checked by resolveConfig, with the same words for every place.
  if (setting.choices.length > 0) option.argChoices = [...setting.choices];
  if (setting.list) option.argParser((value, earlier: string[] | undefined) => [...(earlier ?? []), value]);
  return option;
}

async function runAgent(context: CliContext, command: Command): Promise<number> {
  const { loadConfig } = await import('#agent/config/load.ts');
  const { env } = context.deps;
  const { config, warnings } = await loadConfig({
    flags: flagsOf(command),
    env,
    configFile: command.getOptionValue('config') as string | undefined,
  });
  for (const warning of warnings) context.note(`netd: ${warning}`);
  if (command.getOptionValue('check') !== true) return context.deps.startAgent(config);
  const { rows } = await import('./text.ts');
  context.out(`${rows(configRows(config), context.screen).join('\n')}\n`);
  return EXIT.ok;
}

function flagsOf(command: Command): Partial<Record<SettingKey, string | readonly string[]>> {
  const flags: Partial<Record<SettingKey, string | readonly string[]>> = {};
  for (const key of SETTING_KEYS) {
    const name = flagName(SETTINGS[key]);
    const option = command.options.find((one) => one.long === name);
    const value: unknown = option && command.getOptionValue(option.attributeName());
    if (typeof value === 'string') flags[key] = value;
    if (Array.isArray(value)) flags[key] = value.map(String);
  }
  return flags;
}

function configRows(config: AgentConfig): { label: string; text: string }[] {
  const { metricsAddr } = config;
  const values: Record<SettingKey, string> = {
    'state-dir': config.stateDir,
    'run-dir': config.runDir,
    engine: config.engine,
    'plugin-dir': config.pluginDir,
    'metrics-addr': metricsAddr === null ? 'none' : formatHostPort(metricsAddr),
    'log-level': config.logLevel,
    'generic-resources': config.genericResources.map(({ kind, value }) => `${kind}=${value}`).join(', ') || 'none',
    labels:
      Object.entries(config.labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(', ') || 'none',
  };
  return [
    { label: 'file', text: config.configFile ?? 'none' },
    { label: 'images', text: config.preferOfflineImage ? `never pulled (${OFFLINE_IMAGE_VARIABLE}=1)` : 'pulled' },
    ...SETTING_KEYS.map((key) => ({ label: key, text: `${values[key]} (${config.origins[key]})` })),
  ];
}
