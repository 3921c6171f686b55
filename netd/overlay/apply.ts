import { writeFileSync } from 'node:fs';
import { errorText, isErrno, NetdError } from '#base/errors.ts';
import { isKernelErrno } from '../kernel/errors.ts';
import { writeDelAddress, writeNewAddress } from '../kernel/netlink/address.ts';
import { writeDelLink, writeNewLink, writeSetLink } from '../kernel/netlink/link.ts';
import type { LinkRow } from '../kernel/netlink/link-row.ts';
import type { MessageWriter } from '../kernel/netlink/message-writer.ts';
import {
  writeDelBridgeFdb,
  writeDelFdb,
  writeDelNeighbor,
  writeNewFdb,
  writeNewNeighbor,
} from '../kernel/netlink/neighbor.ts';
import type { Rtnetlink } from '../kernel/rtnetlink.ts';
import { clashOf } from './checks.ts';
import type { Host } from './host.ts';
import { deleteVxlan, vxlansOnHost } from './host-vxlans.ts';
import type { KernelRows } from './kernel-rows.ts';
import { Namespace } from './namespace.ts';
import { type OverlayOp, opText, type RowOp } from './op.ts';
import { addPair, restorePair } from './pairs.ts';

/** Where ops are carried out. The namespace is undefined until there is one. */
export interface Scene {
  readonly host: Host;
  readonly path: string;
  namespace: Namespace | undefined;
  /** What the rows are believed to be; kept in step with what is done. */
  rows: KernelRows;
}

/** Of two ops about a link the second is senseless when the first failed. */
type Failures = Map<OverlayOp, string>;

const ROW_KINDS: ReadonlySet<OverlayOp['kind']> = new Set<RowOp['kind']>([
  'neighbour-replace',
  'neighbour-delete',
  'fdb-replace',
  'fdb-delete',
  'learned-delete',
]);

/**
 * Carries ops out, in order. One that fails stops only those about the same link.
 *
 * @returns the ops that failed, with the reason
 */
export async function apply(scene: Scene, ops: readonly OverlayOp[]): Promise<Failures> {
  const failures: Failures = new Map();
  const broken = new Map<string, string>();
  for (let next = 0; next < ops.length; ) {
    const op = ops[next];
    if (op === undefined) break;
    if (isRowOp(op)) {
      const run = rowsFrom(ops, next);
      next += run.length;
      await applyRows(scene, run, failures, broken);
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

async function applyOne(scene: Scene, op: Exclude<OverlayOp, RowOp>): Promise<void> {
  if (op.kind === 'namespace-add') {
    scene.namespace = Namespace.create(scene.path);
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
      return ignoring(['ENODEV'], () => rtnetlink.request(opText(op), (w) => writeDelLink(w, op.link)));
    case 'link-alias':
      return set(op.link, { alias: op.alias });
    case 'link-mtu':
      return set(op.link, { mtu: op.mtu });
    case 'link-master':
      return set(op.link, { master: (await linkOf(rtnetlink, op.master)).index });
    case 'link-up':
      return linkUp(scene.host, rtnetlink, op);
    case 'vxlan-learning-off':
      return set(op.link, { vxlan: { learning: false } });
    case 'address-add':
    case 'address-delete': {
      const [ip = '', length] = op.address.split('/');
      const { index } = await linkOf(rtnetlink, op.link);
      const write = op.kind === 'address-add' ? writeNewAddress : writeDelAddress;
      return rtnetlink.request(opText(op), (w) => write(w, index, ip, Number(length)));
    }
  }
}

/** @throws NetdError `vxlan-port-in-use` that names who has the port */
async function linkUp(host: Host, rtnetlink: Rtnetlink, op: Extract<OverlayOp, { kind: 'link-up' }>): Promise<void> {
  try {
    await rtnetlink.request(opText(op), (w) => writeSetLink(w, op.link, { isUp: true }));
  } catch (error) {
    const port = isKernelErrno(error, 'EADDRINUSE') ? (await rtnetlink.link(op.link))?.vxlan?.port : undefined;
    if (port === undefined) throw error;
    const holder = (await host.portHolder(port)) ?? 'a program that netd does not find';
    throw new NetdError('vxlan-port-in-use', `UDP port ${port}, which overlay networks need, is taken by ${holder}`, {
      mend: 'end that program, or choose another port for the swarm (docker swarm init --data-path-port)',
      cause: error,
    });
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

async function applyRows(
  scene: Scene,
  ops: readonly RowOp[],
  failures: Failures,
  broken: ReadonlyMap<string, string>,
): Promise<void> {
  const { namespace, rows } = scene;
  const indexes = new Map<string, number>();
  const possible: RowOp[] = [];
  for (const op of ops) {
    const index = indexes.get(op.link) ?? (await namespace?.rtnetlink.link(op.link))?.index;
    if (index !== undefined) indexes.set(op.link, index);
    const reason = broken.get(op.link) ?? (index === undefined ? `there is no link ${op.link}` : undefined);
    if (reason === undefined) possible.push(op);
    else failures.set(op, reason);
  }
  if (namespace === undefined || possible.length === 0) return;
  const write = (w: MessageWriter, op: RowOp) => writeRow(w, indexes.get(op.link) ?? 0, op);
  const failed = new Set<RowOp>();
  rows.writing(possible);
  for (const { item, error } of await namespace.rtnetlink.batch(possible, write, opText)) {
    // What is not there need not be deleted.
    if (item.kind.endsWith('-delete') && isKernelErrno(error, 'ENOENT')) continue;
    failed.add(item);
    failures.set(item, errorText(error));
  }
  for (const op of possible) if (!failed.has(op)) rows.done(op);
}

function writeRow(w: MessageWriter, index: number, op: RowOp): void {
  switch (op.kind) {
    case 'neighbour-replace':
      writeNewNeighbor(w, index, op.ip, op.mac);
      return;
    case 'neighbour-delete':
      writeDelNeighbor(w, index, op.ip);
      return;
    case 'fdb-replace':
      writeNewFdb(w, index, op.mac, op.vtep);
      return;
    case 'fdb-delete':
      writeDelFdb(w, index, op.mac, op.vtep);
      return;
    case 'learned-delete':
      writeDelBridgeFdb(w, index, op.mac);
      return;
  }
}

function isRowOp(op: OverlayOp): op is RowOp {
  return ROW_KINDS.has(op.kind);
}

function rowsFrom(ops: readonly OverlayOp[], first: number): RowOp[] {
  const run: RowOp[] = [];
  for (let at = first; at < ops.length; at++) {
    const op = ops[at];
    if (op === undefined || !isRowOp(op)) break;
    run.push(op);
  }
  return run;
}

async function linkOf(rtnetlink: Rtnetlink, name: string): Promise<LinkRow> {
  const link = await rtnetlink.link(name);
  if (link === undefined) throw new NetdError('no-link', `there is no link ${name}`);
  return link;
}

async function ignoring(errnos: readonly string[], f: () => Promise<void>): Promise<void> {
  try {
    await f();
  } catch (error) {
    if (!isKernelErrno(error, ...errnos)) throw error;
  }
}
