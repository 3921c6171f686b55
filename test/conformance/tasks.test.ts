import { vi } from 'vitest';
import { useTaskBed } from './task-bed.ts';
import { contentItems } from './task-items/content.ts';
import { imageItems } from './task-items/images.ts';
import { lifeItems } from './task-items/life.ts';
import { logItems } from './task-items/logs.ts';
import { nodeEventItems } from './task-items/node-events.ts';
import { placingItems } from './task-items/placing.ts';
import { replacingItems } from './task-items/replacing.ts';
import { describeEachManagerAtOnce } from './versions.ts';

// Nearly all of it is waiting, some of it for 20 s by the clock: everything at once takes as long as the longest.
vi.setConfig({ maxConcurrency: 200, testTimeout: 240_000 });

/** The conformance items that are about tasks. */
describeEachManagerAtOnce('tasks', (hosts) => {
  const bed = useTaskBed(hosts);
  lifeItems(bed);
  imageItems(bed);
  replacingItems(bed);
  placingItems(bed);
  contentItems(bed);
  logItems(bed);
  nodeEventItems(bed);
});
