import { NetdError } from '#base/errors.ts';
import { TYPE } from './codes.ts';

/**
 * A question as people put it: an address stands for its reverse name when its name is asked for.
 *
 * @param type such as `A`, in either case
 * @throws NetdError `bad-request`
 */
export function questionOf(name: string, type: string): readonly [name: string, type: number] {
  const number = Object.entries(TYPE).find(([known]) => known === type.toUpperCase())?.[1];
  if (number === undefined) {
    throw new NetdError('bad-request', `${type} is no type of question that netd knows`, {
      mend: `It knows ${Object.keys(TYPE).join(', ')}.`,
    });
  }
  const isAddress = /^\d+\.\d+\.\d+\.\d+$/.test(name);
  return [number === TYPE.PTR && isAddress ? `${name.split('.').reverse().join('.')}.in-addr.arpa` : name, number];
}
