import { describe, expect, it } from 'vitest';
import { NetdError } from '#base/errors.ts';
import { parseConfigText } from './file.ts';
import { resolveConfig, type Sources } from './resolve.ts';

const PATH = '/etc/netd/netd.yaml';

function sources(given: { flags?: Sources['flags']; env?: Sources['env']; file?: string }): Sources {
  return {
    flags: given.flags ?? {},
    env: given.env ?? {},
    file: given.file === undefined ? null : { path: PATH, entries: parseConfigText(given.file, PATH) },
  };
}

/** Every fault as `message | mend`. */
function faultsOf(run: () => unknown): string[] {
  try {
    run();
  } catch (error) {
    const errors: unknown[] = error instanceof AggregateError ? error.errors : [error];
    return errors.map((one) => (one instanceof NetdError ? `${one.message} | ${one.mend}` : String(one)));
  }
  return [];
}

describe('resolveConfig', () => {
  it('has a default for everything', () => {
    expect(resolveConfig(sources({})).config).toEqual({
      stateDir: '/var/lib/netd',
      runDir: '/run/netd',
      engine: 'unix:///var/run/docker.sock',
      pluginDir: '/run/docker/plugins',
      metricsAddr: null,
      logLevel: 'info',
      genericResources: [],
      labels: {},
      preferOfflineImage: false,
      configFile: null,
      origins: {
        'state-dir': 'default',
        'run-dir': 'default',
        engine: 'default',
        'plugin-dir': 'default',
        'metrics-addr': 'default',
        'log-level': 'default',
        'generic-resources': 'default',
        labels: 'default',
      },
    });
  });

  it('puts flags over environment over file over DOCKER_HOST', () => {
    const file = 'engine: unix:///file.sock\nlog-level: warn\nstate-dir: /file\n';
    const env = { NETD_ENGINE: 'unix:///env.sock', NETD_LOG_LEVEL: 'error', DOCKER_HOST: 'unix:///docker.sock' };
    const { config } = resolveConfig(sources({ flags: { engine: 'unix:///flag.sock' }, env, file }));
    expect([config.engine, config.logLevel, config.stateDir]).toEqual(['unix:///flag.sock', 'error', '/file']);
    expect(config.origins).toMatchObject({ engine: 'flag', 'log-level': 'environment', 'state-dir': 'file' });
    expect(resolveConfig(sources({ env, file })).config.engine).toBe('unix:///env.sock');
    expect(resolveConfig(sources({ env: { DOCKER_HOST: 'unix:///d.sock' }, file })).config.engine).toBe(
      'unix:///file.sock',
    );
    expect(resolveConfig(sources({ env: { DOCKER_HOST: 'unix:///d.sock' } })).config.engine).toBe('unix:///d.sock');
  });

  it('counts an empty variable as not set', () => {
    expect(resolveConfig(sources({ env: { NETD_STATE_DIR: '' }, file: 'state-dir: /x' })).config.stateDir).toBe('/x');
  });

  it('reads lists and mappings in each of their forms', () => {
    const file = 'generic-resources: [gpu=UUID1, gpu=UUID2]\nlabels:\n  zone: b\n  rack: 7\n  ssd: true\n  empty:\n';
    const { config } = resolveConfig(sources({ file }));
    expect(config.genericResources.map((one) => one.value)).toEqual(['UUID1', 'UUID2']);
    expect(config.labels).toEqual({ empty: '', rack: '7', ssd: 'true', zone: 'b' });
    const env = { NETD_LABELS: 'zone=a, rack=1=2', NETD_GENERIC_RESOURCES: 'gpu=2' };
    expect(resolveConfig(sources({ env, file })).config).toMatchObject({
      labels: { rack: '1=2', zone: 'a' },
      genericResources: [{ tag: 'discrete', kind: 'gpu', value: 2 }],
    });
    const flags = { labels: ['a=1', 'b=2'] };
    expect(resolveConfig(sources({ flags, env, file })).config.labels).toEqual({ a: '1', b: '2' });
  });

  it('reads addresses', () => {
    expect(resolveConfig(sources({ flags: { 'metrics-addr': '[::1]:9323' } })).config.metricsAddr).toEqual({
      host: '::1',
      port: 9323,
    });
    expect(
      resolveConfig(sources({ flags: { 'metrics-addr': '' }, file: 'metrics-addr: a:1' })).config.metricsAddr,
    ).toBe(null);
    expect(resolveConfig(sources({ flags: { engine: 'tcp://10.0.0.1:2375/' } })).config.engine).toBe(
      'tcp://10.0.0.1:2375',
    );
  });

  it('is frozen all through', () => {
    const { config } = resolveConfig(sources({ file: 'labels: {a: b}' }));
    for (const value of [config, config.labels, config.genericResources, config.origins]) {
      expect(Object.isFrozen(value)).toBe(true);
    }
  });

  it.each<[string, Parameters<typeof sources>[0], string[]]>([
    [
      'a flag',
      { flags: { 'log-level': 'loud' } },
      ['bad value "loud" for --log-level | Allowed: debug, info, warn or error.'],
    ],
    [
      'a near miss',
      { env: { NETD_LOG_LEVEL: 'warning' } },
      ['bad value "warning" for NETD_LOG_LEVEL | Allowed: debug, info, warn or error (did you mean "warn"?).'],
    ],
    [
      'a file value, also when a flag hides it',
      { flags: { 'state-dir': '/ok' }, file: '\nstate-dir: relative\n' },
      [
        `bad value "relative" for state-dir in ${PATH}:2: the path is not absolute | Allowed: an absolute path of at most 80 bytes.`,
      ],
    ],
    [
      'a wrong type',
      { file: 'log-level: 3' },
      [`bad value 3 for log-level in ${PATH}:1 | Allowed: debug, info, warn or error.`],
    ],
    [
      'nothing after the colon',
      { file: 'engine:' },
      [`bad value null for engine in ${PATH}:1 | Allowed: unix:///PATH or tcp://HOST:PORT.`],
    ],
    [
      'a bare socket path',
      { flags: { engine: '/var/run/docker.sock' } },
      [
        'bad value "/var/run/docker.sock" for --engine: a socket is written unix:///var/run/docker.sock | Allowed: unix:///PATH or tcp://HOST:PORT.',
      ],
    ],
    [
      'DOCKER_HOST with ssh',
      { env: { DOCKER_HOST: 'ssh://me@host' } },
      [
        'bad value "ssh://me@host" for DOCKER_HOST: this kind of address is not supported | Allowed: unix:///PATH or tcp://HOST:PORT.',
      ],
    ],
    [
      'a generic resource',
      { flags: { 'generic-resources': ['gpu=1', 'gpu=x'] } },
      [
        'bad value ["gpu=1","gpu=x"] for --generic-resource: "gpu" mixes a number (1) with names | Allowed: KIND=NUMBER once per kind, or KIND=NAME once per thing, such as gpu=2 or gpu=UUID1.',
      ],
    ],
    [
      'a reserved label',
      { flags: { labels: ['com.docker.x=1'] } },
      [
        'bad value ["com.docker.x=1"] for --label: "com.docker.x" is reserved by Docker | Allowed: KEY=VALUE, where KEY has no spaces and is not in a namespace of Docker.',
      ],
    ],
    [
      'an unknown key with a near one',
      { file: 'a: 1\nstate_dir: /x' },
      [
        `unknown key "a" in ${PATH}:1 | Known keys: state-dir, run-dir, engine, plugin-dir, metrics-addr, log-level, generic-resources, labels.`,
        `unknown key "state_dir" in ${PATH}:2 | Did you mean "state-dir"?`,
      ],
    ],
    [
      'a run directory that leave would wipe',
      { flags: { 'state-dir': '/srv/netd', 'run-dir': '/srv/netd/run' } },
      [
        'run-dir /srv/netd/run lies in state-dir /srv/netd, which "netd leave" empties | Give them two directories, such as /run/netd and /var/lib/netd.',
      ],
    ],
    [
      'a wish for TLS that would not be kept',
      { env: { DOCKER_HOST: 'tcp://10.0.0.1:2376', DOCKER_TLS_VERIFY: '1' } },
      [
        "DOCKER_TLS_VERIFY asks for TLS to tcp://10.0.0.1:2376, which netd does not speak | Use the engine's unix socket; netd must run on the engine's own host anyway.",
      ],
    ],
  ])('refuses %s', (_, given, expected) => {
    expect(faultsOf(() => resolveConfig(sources(given)))).toEqual(expected);
  });

  it.each(['/', '//', '/a/../b', './x', '', `/${'x'.repeat(80)}`])('refuses %j as a directory', (path) => {
    expect(faultsOf(() => resolveConfig(sources({ flags: { 'state-dir': path } })))).toHaveLength(1);
  });

  it('tidies a directory', () => {
    expect(resolveConfig(sources({ flags: { 'state-dir': '//srv//netd/' } })).config.stateDir).toBe('/srv/netd');
  });

  it.each([
    ['1', true, []],
    ['', false, []],
    [
      'true',
      false,
      ['DOCKER_SERVICE_PREFER_OFFLINE_IMAGE is "true", so images are pulled: only "1" keeps netd from it'],
    ],
  ])('takes the word of dockerd for local images: %j', (value, expected, told) => {
    const { config, warnings } = resolveConfig(sources({ env: { DOCKER_SERVICE_PREFER_OFFLINE_IMAGE: value } }));
    expect([config.preferOfflineImage, warnings]).toEqual([expected, told]);
  });

  it('mentions variables that mean nothing', () => {
    const { warnings } = resolveConfig(sources({ env: { NETD_STATEDIR: '/x', NETD_CONFIG: '/y', PATH: '/bin' } }));
    expect(warnings).toEqual([
      'the variable NETD_STATEDIR means nothing to netd and is ignored (did you mean "NETD_STATE_DIR"?)',
    ]);
  });
});

describe('parseConfigText', () => {
  it.each<[string, RegExp]>([
    ['a: [1', /^\/etc\/netd\/netd.yaml:1:6: /],
    ['a: 1\na: 2', /^\/etc\/netd\/netd.yaml:2:1: .*unique/],
    ['- a\n- b', /is not a mapping/],
    ['just text', /is not a mapping/],
  ])('refuses %j', (text, message) => {
    expect(() => parseConfigText(text, PATH)).toThrow(message);
  });

  it.each(['', '\n', '# only a comment\n', '---\n'])('takes %j as nothing', (text) => {
    expect(parseConfigText(text, PATH)).toEqual([]);
  });
});
