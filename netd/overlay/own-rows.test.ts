import { describe, expect, test } from 'vitest';
import type { DesiredAttachment } from '../desired.ts';
import type { LocalEndpoint } from './endpoint.ts';
import { type OwnRows, ownRows, planOwnRows } from './own-rows.ts';

const NET = '3kqz1abcdefghijklmnopqrst';
const VTEP = '192.168.50.1';
const endpoint: LocalEndpoint = {
  networkId: NET,
  endpointId: 'e1',
  address: '10.0.1.5/24',
  mac: '02:42:0a:00:01:05',
  sandboxKey: '/run/docker/netns/1',
};
type State = DesiredAttachment['binding']['state'];

function attachment(state: State, aliases: readonly string[] = []): DesiredAttachment {
  const row = { name: 'web.1', service: undefined, virtualIp: undefined, ingressPorts: [], aliases, taskAliases: [] };
  return { taskId: 't1', networkId: NET, address: '10.0.1.5/24', mac: undefined, binding: { state, row } };
}

/** Lets one step after the other be said, and tells what was said as `kind id`. */
function play(steps: readonly (readonly [LocalEndpoint[], DesiredAttachment[]] | 'gone')[]): string[][] {
  let said = new Map<string, OwnRows>();
  return steps.map((step) => {
    const wanted = new Map<string, OwnRows>();
    if (step !== 'gone') wanted.set(NET, ownRows(step[0], step[1], VTEP, said.get(NET)));
    const ops = planOwnRows(wanted, said);
    said = wanted;
    return ops.map((op) => {
      const disabled = op.kind === 'publish-endpoint' && op.endpoint.disabled ? ' disabled' : '';
      return `${op.kind} ${'id' in op ? op.id : op.network.slice(0, 4)}${disabled}`;
    });
  });
}

describe('what a node says of itself', () => {
  test('an endpoint from its join to its end, in the order peers need', () => {
    const created = { ...endpoint, sandboxKey: undefined };
    expect(
      play([
        [[created], [attachment('pending')]],
        [[endpoint], [attachment('pending')]],
        [[endpoint], [attachment('active')]],
        [[endpoint], [attachment('active')]],
        [[endpoint], [attachment('draining')]],
        [[created], [attachment('draining')]],
        'gone',
      ]),
    ).toEqual([
      ['attach 3kqz'],
      ['publish-peer e1'],
      ['publish-endpoint e1'],
      [],
      ['publish-endpoint e1 disabled'],
      ['withdraw-endpoint e1', 'withdraw-peer e1'],
      ['detach 3kqz'],
    ]);
  });

  test('an endpoint that drains before it served is not introduced for that', () => {
    expect(
      play([
        [[endpoint], [attachment('pending')]],
        [[endpoint], [attachment('draining')]],
      ])[1],
    ).toEqual([]);
  });

  test('any change but disabling is a deletion and a creation', () => {
    expect(
      play([
        [[endpoint], [attachment('active')]],
        [[endpoint], [attachment('active', ['db'])]],
      ])[1],
    ).toEqual(['withdraw-endpoint e1', 'publish-endpoint e1']);
    const again = play([
      [[endpoint], [attachment('active')]],
      [[endpoint], [attachment('draining')]],
      [[endpoint], [attachment('active')]],
    ]);
    expect(again[2]).toEqual(['withdraw-endpoint e1', 'publish-endpoint e1']);
    const moved = { ...endpoint, mac: '02:aa:00:00:00:01' };
    expect(
      play([
        [[endpoint], []],
        [[moved], []],
      ])[1],
    ).toEqual(['withdraw-peer e1', 'publish-peer e1']);
  });

  test('an endpoint whose task is gone from the wishes answers to nothing, and stays where it is', () => {
    expect(
      play([
        [[endpoint], [attachment('active')]],
        [[endpoint], []],
      ])[1],
    ).toEqual(['withdraw-endpoint e1']);
  });

  test('a network that goes takes its rows back first', () => {
    expect(play([[[endpoint], [attachment('active')]], 'gone'])[1]).toEqual([
      'withdraw-endpoint e1',
      'withdraw-peer e1',
      'detach 3kqz',
    ]);
  });

  test('of two tasks with one address the one that serves counts', () => {
    const rows = ownRows([endpoint], [attachment('pending', ['new']), attachment('active', ['old'])], VTEP, undefined);
    expect(rows.endpoints.get('e1')?.aliases).toEqual(['old']);
  });

  test('the peer row carries the prefix length', () => {
    expect(ownRows([endpoint], [], VTEP, undefined).peers.get('e1')).toEqual({
      ip: '10.0.1.5',
      prefixLength: 24,
      mac: '02:42:0a:00:01:05',
      tunnelIp: VTEP,
    });
  });
});
