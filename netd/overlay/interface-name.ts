import { Rtnetlink } from '../kernel/rtnetlink.ts';
import { containerEndOf } from './names.ts';

/**
 * What the engine named the container's end of an endpoint's pair; undefined while it is not there. It is moved, named and
 * only then switched on.
 *
 * @throws KernelError
 */
export async function findInterface(sandboxKey: string, endpointId: string): Promise<string | undefined> {
  using rtnetlink = Rtnetlink.open(sandboxKey);
  const links = await rtnetlink.links();
  return links.find(({ alias, isUp }) => isUp && containerEndOf(alias) === endpointId)?.name;
}
