import { vi } from 'vitest';
import { agentEvents } from './events/agent.ts';
import { diskEvents } from './events/disk.ts';
import { engineEvents } from './events/engine.ts';
import { hostEvents } from './events/host.ts';
import { networkEvents } from './events/network.ts';
import { describeSurvival } from './survivors.ts';

// Nearly all of it is waiting, some of it for a minute by the clock: everything at once takes as long as the longest.
vi.setConfig({ maxConcurrency: 200, testTimeout: 300_000 });

/** What becomes of tasks, statuses, secrets and containers when something around them fails. */
describeSurvival('surviving', (survivors) => {
  // The longest first: hosts are made in this order.
  engineEvents(survivors);
  networkEvents(survivors);
  hostEvents(survivors);
  agentEvents(survivors);
  diskEvents(survivors);
});
