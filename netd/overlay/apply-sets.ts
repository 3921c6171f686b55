import { errorText, NetdError } from '#base/errors.ts';
import { isKernelErrno, type KernelError } from '../kernel/errors.ts';
import { type LinkChange, writeSetLink } from '../kernel/netlink/link.ts';
import type { MessageWriter } from '../kernel/netlink/message-writer.ts';
import type { Rtnetlink } from '../kernel/rtnetlink.ts';
import type { Host } from './host.ts';
import { type OverlayOp, opText, type SetOp } from './op.ts';
import { type BrokenLinks, type Failures, indexOf, noLink, type Scene } from './scene.ts';

const SET_KINDS: ReadonlySet<OverlayOp['kind']> = new Set<SetOp['kind']>([
  'link-alias',
  'link-mtu',
  'link-master',
  'link-up',
  'vxlan-learning-off',
]);

export function isSetOp(op: OverlayOp): op is SetOp {
  return SET_KINDS.has(op.kind);
}

/** @param ops of one link; each is tried, whatever became of the others */
export async function applySets(
  scene: Scene,
  link: string,
  ops: readonly SetOp[],
  failures: Failures,
  broken: BrokenLinks,
): Promise<void> {
  const fail = (op: SetOp, reason: string) => {
    failures.set(op, reason);
    broken.set(link, reason);
  };
  const reason = broken.get(link);
  const { namespace } = scene;
  if (reason !== undefined || namespace === undefined) {
    for (const op of ops) fail(op, reason ?? `there is no namespace ${scene.path}`);
    return;
  }
  try {
    const masters = new Map<string, number>();
    for (const op of ops) {
      if (op.kind !== 'link-master') continue;
      const index = await indexOf(scene, namespace, op.master);
      if (index === undefined) throw noLink(op.master);
      masters.set(op.master, index);
    }
    const write = (w: MessageWriter, op: SetOp) => writeSetLink(w, link, changeOf(op, masters));
    for (const { item, error } of await namespace.rtnetlink.batch(ops, write, opText)) {
      fail(item, errorText(await explained(scene.host, namespace.rtnetlink, item, error)));
    }
  } catch (error) {
    for (const op of ops) fail(op, errorText(error));
  }
}

function changeOf(op: SetOp, masters: ReadonlyMap<string, number>): LinkChange {
  switch (op.kind) {
    case 'link-alias':
      return { alias: op.alias };
    case 'link-mtu':
      return { mtu: op.mtu };
    case 'link-master':
      return { master: masters.get(op.master) };
    case 'link-up':
      return { isUp: true };
    case 'vxlan-learning-off':
      return { vxlan: { learning: false } };
  }
}

/** @returns NetdError `vxlan-port-in-use` that names who has the port, where that is it */
async function explained(host: Host, rtnetlink: Rtnetlink, op: SetOp, error: KernelError): Promise<Error> {
  const isInUse = op.kind === 'link-up' && isKernelErrno(error, 'EADDRINUSE');
  const port = isInUse ? (await rtnetlink.link(op.link))?.vxlan?.port : undefined;
  if (port === undefined) return error;
  const holder = (await host.portHolder(port)) ?? 'a program that netd does not find';
  return new NetdError('vxlan-port-in-use', `UDP port ${port}, which overlay networks need, is taken by ${holder}`, {
    mend: 'end that program, or choose another port for the swarm (docker swarm init --data-path-port)',
    cause: error,
  });
}
