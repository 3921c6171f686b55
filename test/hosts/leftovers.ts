import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { outputOf, runCommand } from './command.ts';
import { testbedCache } from './engine-roots.ts';
import { processFacts } from './process-tree.ts';

/** Holds a directory per bed, named by the bed's id. On disk, not in /run, for logs may be large. */
export const SCRATCH_BASE = join(testbedCache(), 'beds');

const REAP = join(import.meta.dirname, 'reap.sh');
const BED_ID = /^(\d+)-(\d+)-\d+$/;

/** Whether the process that made the bed still lives. */
function ownerLives(bedId: string): boolean {
  const [, pid, startTicks] = BED_ID.exec(bedId) ?? [];
  return processFacts(Number(pid))?.startTicks === startTicks;
}

/**
 * Removes beds whose owner is dead. Each bed's keeper does that by itself; this is for a keeper that was killed too.
 * Gives the ids of the beds removed.
 */
export async function removeLeftovers(): Promise<readonly string[]> {
  if (!existsSync(SCRATCH_BASE)) return [];
  const dead = readdirSync(SCRATCH_BASE).filter((id) => BED_ID.test(id) && !ownerLives(id));
  for (const id of dead) {
    const argv = ['sh', REAP, id, join(SCRATCH_BASE, id)];
    outputOf(argv, await runCommand(argv));
  }
  return dead;
}
