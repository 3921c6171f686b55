import { writeFileSync } from 'node:fs';
import { errorText, isErrno, NetdError } from '#base/errors.ts';
import { isKernelErrno } from '../kernel/errors.ts';
import { writeDelAddress, writeNewAddress } from '../kernel/netlink/address.ts';
import { writeDelLink, writeNewLink, writeSetLink } from '../kernel/netlink/link.ts';
import { applyRows, isRowOp } from './apply-rows.ts';
import { applySets, isSetOp } from './apply-sets.ts';
import { clashOf } from './checks.ts';
import { deleteVxlan, vxlansOnHost } from './host-vxlans.ts';
import { Namespace } from './namespace.ts';
import { type OverlayOp, opText, type RowOp, type SetOp } from './op.ts';
import { addPair, restorePair } from './pairs.ts';
import { type BrokenLinks, type Failures, indexOf, noLink, runOf, type Scene } from './scene.ts';

/**
 * Carries ops out, in order. One that fails stops only those about the same link. Ops of one sort that stand in a row are one
 * errand to the kernel: under load the way there and back takes longer than what is done there.
 *
 * @returns the ops that failed, with the reason
 */
export async function apply(scene: Scene, ops: readonly OverlayOp[]): Promise<Failures> {
  const failures: Failures = new Map();
  const broken: BrokenLinks = new Map();
  for (let next = 0; next < ops.length; ) {
    const op = ops[next];
    if (op === undefined) break;
    if (isRowOp(op)) {
      const run = runOf(ops, next, isRowOp);
      next += run.length;
      await applyRows(scene, run, failures, broken);
      continue;
    }
    if (isSetOp(op)) {
      const run = runOf(ops, next, (one): one is SetOp => isSetOp(one) && one.link === op.link);
      next += run.length;
      await applySets(scene, op.link, run, failures, broken);
      continue;
    }
    next++;
    const link = 'link' in op ? op.link : '';
    const reason = broken.get(link);
    if (reason !== undefined) {
      failures.set(op, reason);
      continue;
    }
    try {
      await applyOne(scene, op);
    } catch (error) {
      failures.set(op, errorText(error));
      // Without a namespace nothing else can be done.
      broken.set(op.kind === 'namespace-add' ? '' : link, errorText(error));
      if (op.kind === 'namespace-add') for (const other of ops) failures.set(other, errorText(error));
      if (op.kind === 'namespace-add') return failures;
    }
  }
  return failures;
}

async function applyOne(scene: Scene, op: Exclude<OverlayOp, RowOp | SetOp>): Promise<void> {
  if (op.kind === 'namespace-add') {
    scene.namespace = Namespace.create(scene.path);
    scene.indexes.clear();
    return;
  }
  const { namespace } = scene;
  if (namespace === undefined) throw new NetdError('no-namespace', `there is no namespace ${scene.path}`);
  const { rtnetlink } = namespace;
  const set = (link: string, change: Parameters<typeof writeSetLink>[2]) =>
    rtnetlink.request(opText(op), (w) => writeSetLink(w, link, change));
  switch (op.kind) {
    case 'namespace-name':
      namespace.rename();
      return;
    case 'sysctl-set':
      namespace.inside(() => writeSysctl(op.key, op.value));
      return;
    case 'bridge-add':
      await rtnetlink.request(opText(op), (w) =>
        writeNewLink(w, { name: op.link, mtu: op.mtu, type: { kind: 'bridge' } }),
      );
      return set(op.link, { alias: op.alias });
    case 'vxlan-add':
      await addVxlan(scene, namespace, op);
      scene.rows.setDevice(op.link, { neighbours: new Map(), forwardings: new Map() });
      return set(op.link, { alias: op.alias });
    case 'pair-add':
      return addPair(scene.host, namespace, op);
    case 'pair-restore':
      return restorePair(namespace, op);
    case 'link-delete':
      scene.rows.clearDevice(op.link);
      scene.indexes.delete(op.link);
      return ignoring(['ENODEV'], () => rtnetlink.request(opText(op), (w) => writeDelLink(w, op.link)));
    case 'address-add':
    case 'address-delete': {
      const [ip = '', length] = op.address.split('/');
      const index = await indexOf(scene, namespace, op.link);
      if (index === undefined) throw noLink(op.link);
      const write = op.kind === 'address-add' ? writeNewAddress : writeDelAddress;
      return rtnetlink.request(opText(op), (w) => write(w, index, ip, Number(length)));
    }
  }
}

/** Runs inside the namespace. A key of a module that is not loaded has nothing to switch off. */
function writeSysctl(key: string, value: string): void {
  try {
    writeFileSync(`/proc/sys/${key}`, value);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}

/**
 * The device is made from the host's namespace straight into the network's: its UDP socket and routes stay the host's.
 *
 * @throws NetdError `vxlan-clash` that names the device which has the number
 */
async function addVxlan(
  { host }: Scene,
  namespace: Namespace,
  op: Extract<OverlayOp, { kind: 'vxlan-add' }>,
): Promise<void> {
  const { link: name, mtu, vni: id, port, local } = op;
  const add = () =>
    host.rtnetlink.request(opText(op), (w) =>
      writeNewLink(w, {
        name,
        mtu,
        txQueueLength: 0,
        namespaceFd: namespace.fd,
        type: { kind: 'vxlan', id, port, local, learning: false, proxy: true, isV6: host.vtep.includes(':') },
      }),
    );
  try {
    await add();
  } catch (error) {
    if (!isKernelErrno(error, 'EEXIST')) throw error;
    const others = await vxlansOnHost(host);
    const left = others.find((one) => one.vni === id && one.port === port && one.isLeftover);
    if (left === undefined) {
      throw new NetdError('vxlan-clash', clashOf({ vni: id, port }, others), {
        mend: 'remove that device, or create the network with another number',
        cause: error,
      });
    }
    await deleteVxlan(host, left);
    await add();
  }
}

async function ignoring(errnos: readonly string[], f: () => Promise<void>): Promise<void> {
  try {
    await f();
  } catch (error) {
    if (!isKernelErrno(error, ...errnos)) throw error;
  }
}
