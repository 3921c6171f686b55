import { expect, it } from 'vitest';
import { NETWORK_ID_LABEL } from '#agent/container/networks.ts';
import type { Engine } from '#agent/engine/engine.ts';
import { createDriverAgent } from './driver-agent.ts';

type Inspected = NonNullable<Awaited<ReturnType<Engine['inspectNetwork']>>>;

function agentOf(networks: Readonly<Record<string, Partial<Inspected>>>) {
  const asked: string[] = [];
  const inspectNetwork = async (id: string) => {
    asked.push(id);
    return networks[id] as Inspected | undefined;
  };
  return { asked, agent: createDriverAgent({ inspectNetwork }, () => undefined) };
}

it('asks the engine once for what a network stands for', async () => {
  const { agent, asked } = agentOf({
    one: { Name: 'app', Internal: true, Labels: { [NETWORK_ID_LABEL]: 'swarm1' } },
    two: { Name: 'by-hand', Internal: false },
  });
  for (let starts = 0; starts < 3; starts++) {
    expect(await agent.networkOf('one')).toEqual({ kind: 'id', id: 'swarm1', internal: true });
    expect(await agent.networkOf('two')).toEqual({ kind: 'name', name: 'by-hand', internal: false });
  }
  expect(asked).toEqual(['one', 'two']);
});

it('asks again for a network that was not there', async () => {
  const { agent, asked } = agentOf({});
  for (let starts = 0; starts < 2; starts++) {
    await expect(agent.networkOf('gone')).rejects.toThrow('the engine has no network gone any more');
  }
  expect(asked).toEqual(['gone', 'gone']);
});
