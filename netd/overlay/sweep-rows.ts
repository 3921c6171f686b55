import { isKernelErrno } from '../kernel/errors.ts';
import type { Rtnetlink } from '../kernel/rtnetlink.ts';
import type { KernelRows } from './kernel-rows.ts';
import { observeDevice } from './observe.ts';
import type { ObservedLink } from './observed.ts';

/** Dumps of a device to which rows are written all the time: the last is believed as it is, and what it lacks written again. */
const MOST_TRIES = 3;

/**
 * Compares what is believed of the rows of vxlan devices with the kernel, and corrects the belief. Passes may write rows
 * meanwhile, and need not wait for it.
 *
 * @param rtnetlink one that passes do not use: the answers of one socket come one after the other
 * @returns whether all was as believed
 * @throws KernelError
 */
export async function sweepRows(
  rtnetlink: Rtnetlink,
  rows: KernelRows,
  vxlans: readonly ObservedLink[],
): Promise<boolean> {
  let isRight = true;
  for (const vxlan of vxlans) if (!(await sweepDevice(rtnetlink, rows, vxlan))) isRight = false;
  return isRight;
}

async function sweepDevice(rtnetlink: Rtnetlink, rows: KernelRows, { name, index }: ObservedLink): Promise<boolean> {
  for (let tries = 1; tries <= MOST_TRIES; tries++) {
    rows.startNoting(name);
    try {
      const belief = rows.correct(name, await observeDevice(rtnetlink, index), tries === MOST_TRIES);
      if (belief !== 'disturbed') return belief === 'right';
    } catch (error) {
      if (isKernelErrno(error, 'ENODEV')) return false;
      throw error;
    } finally {
      rows.stopNoting(name);
    }
  }
  return false;
}
