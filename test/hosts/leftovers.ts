import { existsSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { deleteNamespace, isNamespace } from '#netd/kernel/netns.ts';
import { outputOf, runCommand } from './command.ts';
import { testbedCache } from './engine-roots.ts';
import { processFacts } from './process-tree.ts';

/** Holds a directory per bed, named by the bed's id. On disk, not in /run, for logs may be large. */
export const SCRATCH_BASE = join(testbedCache(), 'beds');

const REAP = join(import.meta.dirname, 'reap.sh');
const BED_ID = /^(\d+)-(\d+)-\d+$/;

/** Directories of the stages of test/overlay, with the id of the process that made them. */
export const STAGE_PREFIX = '/tmp/netd-overlay-';
const STAGE = /^netd-overlay-(\d+)-/;

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
  if (!existsSync(SCRATCH_BASE)) return removeStages();
  const dead = readdirSync(SCRATCH_BASE).filter((id) => BED_ID.test(id) && !ownerLives(id));
  for (const id of dead) {
    const argv = ['sh', REAP, id, join(SCRATCH_BASE, id)];
    outputOf(argv, await runCommand(argv));
  }
  return [...dead, ...removeStages()];
}

/** Stages whose process was killed: their namespaces end with their names. */
function removeStages(): string[] {
  const base = dirname(STAGE_PREFIX);
  const dead = readdirSync(base).filter((name) => {
    const [, pid] = STAGE.exec(name) ?? [];
    return pid !== undefined && processFacts(Number(pid)) === undefined;
  });
  for (const name of dead) {
    const stage = join(base, name);
    const files = readdirSync(stage, { recursive: true, encoding: 'utf8' }).map((file) => join(stage, file));
    for (const file of files) if (isNamespace(file)) deleteNamespace(file);
    rmSync(stage, { recursive: true, force: true });
  }
  return dead;
}
