import { describe, expect, it } from 'vitest';
import { type ServerFacts, upstreamsOf } from './servers.ts';

const explicit = (...addresses: string[]) => ({ kind: 'explicit', addresses }) as const;
const HOST = { kind: 'host' } as const;

describe('the servers of a container', () => {
  it.each<[string, Partial<ServerFacts>, string]>([
    ['those of the host, from the host', {}, 'host 10.0.0.1, host 127.0.0.53'],
    ['its own, from itself', { source: explicit('10.9.0.1') }, 'container 10.9.0.1'],
    ['those of the host when its own list is empty', { source: explicit() }, 'host 10.0.0.1, host 127.0.0.53'],
    [
      'three at most',
      { source: explicit('10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4') },
      'container 10.0.0.1, container 10.0.0.2, container 10.0.0.3',
    ],
    [
      'not the resolver itself',
      { source: explicit('127.0.0.11', '10.0.0.1', '::ffff:127.0.0.11') },
      'container 10.0.0.1',
    ],
    ['none when that is all there is', { hostServers: ['127.0.0.11'] }, ''],
    ['none when the host has none', { hostServers: [] }, ''],
    ['none of the host when nothing leads outside', { internalOnly: true }, ''],
    [
      'its own also then: the network decides',
      { internalOnly: true, source: explicit('10.0.1.53') },
      'container 10.0.1.53',
    ],
    [
      "the engine's before all others",
      { engine: { udp: 7, tcp: 8 } },
      'container 127.0.0.11, host 10.0.0.1, host 127.0.0.53',
    ],
    [
      "the engine's alone when nothing else leads outside",
      { engine: { udp: 7, tcp: 8 }, internalOnly: true },
      'container 127.0.0.11',
    ],
    ['none of the host in place of an empty list then', { internalOnly: true, source: explicit() }, ''],
  ])('%s', (_, facts, expected) => {
    const upstreams = upstreamsOf({
      source: HOST,
      hostServers: ['10.0.0.1', '127.0.0.53'],
      internalOnly: false,
      ...facts,
    });
    expect(upstreams.map(({ from, address }) => `${from} ${address}`).join(', ')).toBe(expected);
  });
});
