import { expect, it } from 'vitest';
import { unusedNetworks } from './unused-networks.ts';

const network = (Id: string, id?: string) => ({ Id, ...(id !== undefined && { Labels: { 'netd.network.id': id } }) });

it.each([
  ['what is wanted stays', [network('a', 'n1')], []],
  ['what is not goes', [network('a', 'n2')], ['a']],
  ["an operator's stays", [network('a')], []],
  ['of two for one network the second goes', [network('a', 'n1'), network('b', 'n1')], ['b']],
])('%s', (_, found, expected) => {
  expect(unusedNetworks(found, new Set(['n1'])).map(({ Id }) => Id)).toEqual(expected);
});
