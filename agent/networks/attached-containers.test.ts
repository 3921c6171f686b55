import { expect, it } from 'vitest';
import type { ContainerInspect } from '#agent/engine/engine.ts';
import { containerNames } from './attached-containers.ts';

const inspect = (...networks: readonly string[]) =>
  ({
    Id: 'f'.repeat(64),
    Name: '/web',
    Config: { Hostname: 'ffffffffffff' },
    HostConfig: { Dns: null, DnsOptions: [] },
    NetworkSettings: { Networks: Object.fromEntries(networks.map((name) => [name, { Aliases: null }])) },
  }) as unknown as ContainerInspect;

it.each([
  ['the swarm alone', ['app', 'back'], undefined],
  ["the engine's bridge, where nothing has a name", ['app', 'bridge'], undefined],
  ["one of the engine's own", ['app', 'lan'], true],
])('asks the engine for names where the container is on networks of %s', (_, networks, expected) => {
  const { resolver } = containerNames(inspect(...networks), 'app', new Set(['app', 'back']));
  expect(resolver.engineNames).toBe(expected);
});
