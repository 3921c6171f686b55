import { vi } from 'vitest';
import { useNodeBed } from './node-bed.ts';
import { absenceItems } from './node-items/absence.ts';
import { certificateItems } from './node-items/certificates.ts';
import { descriptionItems } from './node-items/description.ts';
import { joiningItems } from './node-items/joining.ts';
import { managerItems } from './node-items/managers.ts';
import { membershipItems } from './node-items/membership.ts';
import { describeEachManagerAtOnce } from './versions.ts';

// Nearly all of it is waiting, some of it for a minute by the clock: everything at once takes as long as the longest.
vi.setConfig({ maxConcurrency: 200, testTimeout: 240_000 });

/** The conformance items that are about the node: its life in the swarm, not what it runs. */
describeEachManagerAtOnce('nodes', (hosts) => {
  const bed = useNodeBed(hosts);
  absenceItems(bed);
  managerItems(bed);
  certificateItems(bed);
  membershipItems(bed);
  descriptionItems(bed);
  joiningItems(bed);
});
