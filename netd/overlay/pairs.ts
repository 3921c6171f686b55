import { NetdError } from '#base/errors.ts';
import { isKernelErrno } from '../kernel/errors.ts';
import { writeNewAddress } from '../kernel/netlink/address.ts';
import { writeDelLink, writeNewLink, writeSetLink } from '../kernel/netlink/link.ts';
import { writeReplaceRoute } from '../kernel/netlink/route.ts';
import type { Host } from './host.ts';
import { isOurLink } from './names.ts';
import { Namespace } from './namespace.ts';
import { type OverlayOp, opText } from './op.ts';

type PairOp<K extends 'pair-add' | 'pair-restore'> = Extract<OverlayOp, { kind: K }>;

/** A pair whose outer end waits in the host's namespace for the engine. @throws KernelError */
export async function addPair(host: Host, namespace: Namespace, op: PairOp<'pair-add'>): Promise<void> {
  try {
    await makePair(host, namespace, op);
  } catch (error) {
    const left = isKernelErrno(error, 'EEXIST') ? await host.rtnetlink.link(op.outer.link) : undefined;
    if (left === undefined || !isOurLink(left.name, left.alias)) throw error;
    await host.rtnetlink.request(`ip link delete ${left.name}`, (w) => writeDelLink(w, left.index));
    await makePair(host, namespace, op);
  }
}

/**
 * A pair for a container that runs without: somebody deleted either end. The engine does not hear of it, so all that it gave
 * the interface is given again.
 *
 * @throws NetdError, KernelError
 */
export async function restorePair(namespace: Namespace, op: PairOp<'pair-restore'>): Promise<void> {
  using sandbox = Namespace.find(op.sandboxKey);
  if (sandbox === undefined) throw new NetdError('no-sandbox', `the container's namespace ${op.sandboxKey} is gone`);
  await makePair(sandbox, namespace, op);
  const text = opText(op);
  const link = await sandbox.rtnetlink.link(op.outer.link);
  if (link === undefined) throw new NetdError('no-link', `the interface ${op.outer.link} went away at once`);
  const [ip = '', length] = op.address.split('/');
  await sandbox.rtnetlink.request(text, (w) => writeNewAddress(w, link.index, ip, Number(length)));
  await sandbox.rtnetlink.request(text, (w) => writeSetLink(w, link.index, { isUp: true }));
  for (const { destination, nextHop } of op.routes) {
    await sandbox.rtnetlink.request(text, (w) => writeReplaceRoute(w, { destination, gateway: nextHop }));
  }
}

/** @param place where the outer end goes */
async function makePair(
  place: Pick<Namespace, 'fd' | 'rtnetlink'>,
  namespace: Namespace,
  op: PairOp<'pair-add' | 'pair-restore'>,
): Promise<void> {
  const { link, alias, mtu, outer } = op;
  const peer = { name: outer.link, mtu, mac: outer.mac, namespaceFd: place.fd };
  const text = opText(op);
  await namespace.rtnetlink.request(text, (w) => writeNewLink(w, { name: link, mtu, type: { kind: 'veth', peer } }));
  // The kernel takes no alias with a new link.
  await Promise.all([
    namespace.rtnetlink.request(text, (w) => writeSetLink(w, link, { alias })),
    place.rtnetlink.request(text, (w) => writeSetLink(w, outer.link, { alias: outer.alias })),
  ]);
}
