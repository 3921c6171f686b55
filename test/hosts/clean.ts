import { removeLeftovers } from './leftovers.ts';

// `node test/hosts/clean.ts`: removes what crashed test runs left on this machine; running beds are not touched.
const removed = await removeLeftovers();
console.log(
  removed.length === 0 ? 'nothing was left behind' : `removed ${removed.length} test beds: ${removed.join(', ')}`,
);
