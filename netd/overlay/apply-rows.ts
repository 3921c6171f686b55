import { errorText } from '#base/errors.ts';
import { isKernelErrno } from '../kernel/errors.ts';
import type { MessageWriter } from '../kernel/netlink/message-writer.ts';
import {
  writeDelBridgeFdb,
  writeDelFdb,
  writeDelNeighbor,
  writeNewFdb,
  writeNewNeighbor,
} from '../kernel/netlink/neighbor.ts';
import { type OverlayOp, opText, type RowOp } from './op.ts';
import { type BrokenLinks, type Failures, indexOf, type Scene } from './scene.ts';

const ROW_KINDS: ReadonlySet<OverlayOp['kind']> = new Set<RowOp['kind']>([
  'neighbour-replace',
  'neighbour-delete',
  'fdb-replace',
  'fdb-delete',
  'learned-delete',
]);

export function isRowOp(op: OverlayOp): op is RowOp {
  return ROW_KINDS.has(op.kind);
}

export async function applyRows(
  scene: Scene,
  ops: readonly RowOp[],
  failures: Failures,
  broken: BrokenLinks,
): Promise<void> {
  const { namespace, rows } = scene;
  const indexes = new Map<string, number>();
  const possible: RowOp[] = [];
  for (const op of ops) {
    const index = indexes.get(op.link) ?? (namespace && (await indexOf(scene, namespace, op.link)));
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
