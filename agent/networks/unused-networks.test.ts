import { expect, it } from 'vitest';
import { unusedNetworks } from './unused-networks.ts';

const network = (Id: string, id?: string) => ({
  Id,
  Name: `name of ${Id}`,
  ...(id !== undefined && { Labels: { 'netd.network.id': id } }),
});

it.each([
  ['what is wanted stays', [network('a', 'n1')], []],
  ['what is not goes', [network('a', 'n2')], ['a']],
  ["an operator's stays", [network('a')], []],
  ['of two for one network the second goes', [network('a', 'n1'), network('b', 'n1')], ['b']],
])('%s', (_, found, expected) => {
  expect(unusedNetworks(found, new Set(['n1']), []).map(({ Id }) => Id)).toEqual(expected);
});

const on = (name: string, NetworkID: string, Labels = {}) => ({
  Labels,
  NetworkSettings: { Networks: { [name]: { NetworkID } } },
});

it.each([
  ['one that a container was on stays', [on('name of b', 'b')], ['c']],
  ['one that a container is made for stays', [on('name of b', '')], ['c']],
  ['one of the same name is another one', [on('name of b', 'x')], ['b', 'c']],
  ['a task is never started again', [on('name of b', 'b', { 'com.docker.swarm.task.id': 't' })], ['b', 'c']],
  ['of two for one network the second goes, whoever was on it', [on('name of c', 'c'), on('name of b', 'b')], ['c']],
  ['a container without networks has none', [{}, { NetworkSettings: null }], ['b', 'c']],
])('%s', (_, containers, expected) => {
  const found = [network('a', 'n1'), network('b', 'n2'), network('c', 'n2')];
  expect(unusedNetworks(found, new Set(['n1']), containers).map(({ Id }) => Id)).toEqual(expected);
});
