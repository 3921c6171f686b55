import { describe, expect, it } from 'vitest';
import type { DesiredAttachment, DesiredNetworks } from './desired.ts';
import { findContainer, localContainers } from './local-containers.ts';
import type { LocalEndpoint } from './overlay/endpoint.ts';

const TASK = 'x1y2z3a4b5c6d7e8f9g0h1i2j';

function attachment(address: string, name: string, service: string | undefined, aliases: string[]): DesiredAttachment {
  const row = {
    name,
    service: service === undefined ? undefined : { id: `id of ${service}`, name: service },
    virtualIp: undefined,
    ingressPorts: [],
    aliases: [],
    taskAliases: aliases,
  };
  const taskId = name.split('.').at(-1) ?? '';
  return { taskId, networkId: 'net', address, mac: undefined, binding: { state: 'active', row } };
}

function endpoint(n: number, sandboxKey: string | undefined): LocalEndpoint {
  return {
    networkId: 'net',
    endpointId: `${n}`.repeat(64),
    address: `10.0.0.${n}/24`,
    mac: '02:42:0a:00:00:01',
    sandboxKey,
  };
}

const desired: DesiredNetworks = {
  vtep: '192.0.2.1',
  dataPathPort: 4789,
  networks: [],
  attachments: [
    attachment('10.0.0.1/24', `web.1.${TASK}`, 'web', ['0123456789ab', 'host-a']),
    attachment('10.0.0.2/24', `web.2.${TASK.toUpperCase()}`, 'web', ['ba9876543210']),
    attachment('10.0.0.3/24', 'guest', undefined, ['fedcba987654']),
  ],
};
const containers = localContainers(
  [endpoint(1, '/ns/a'), endpoint(2, '/ns/b'), endpoint(3, '/ns/c'), endpoint(4, '/ns/d'), endpoint(5, undefined)],
  desired,
);

describe('the containers of a host', () => {
  it('have the names that the agent gives them', () => {
    expect(containers.map(({ name, sandboxKey }) => [name, sandboxKey])).toEqual([
      ['endpoint 444444444444', '/ns/d'],
      ['guest', '/ns/c'],
      [`web.1.${TASK}`, '/ns/a'],
      [`web.2.${TASK.toUpperCase()}`, '/ns/b'],
    ]);
  });

  it.each([
    [`web.1.${TASK}`, '/ns/a'],
    [TASK, '/ns/a'],
    ['web.1', '/ns/a'],
    ['0123456789ab', '/ns/a'],
    ['0123456789abcdef0123456789abcdef', '/ns/a'],
    ['0123', '/ns/a'],
    ['host-a', '/ns/a'],
    ['guest', '/ns/c'],
    ['fedcba', '/ns/c'],
  ])('are found by %s', (asked, sandboxKey) => {
    expect(findContainer(containers, asked).sandboxKey).toBe(sandboxKey);
  });

  it('are named when none or several are meant', () => {
    expect(() => findContainer(containers, 'web')).toThrow(/web may be any of web\.1.*, web\.2/);
    expect(() => findContainer(containers, '012')).toThrow(/no container .* is called 012/);
    expect(() => findContainer([], 'web')).toThrow(expect.objectContaining({ mend: 'There are none now.' }));
  });
});
