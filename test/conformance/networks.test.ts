import { vi } from 'vitest';
import { useTaskBed } from './task-bed.ts';
import { networkItems } from './task-items/networks.ts';
import { describeEachManagerAtOnce } from './versions.ts';

vi.setConfig({ maxConcurrency: 200, testTimeout: 240_000 });

/** The conformance items that are about overlay networks; on nodes of their own, which nobody drains meanwhile. */
describeEachManagerAtOnce('overlay networks', (hosts) => networkItems(useTaskBed(hosts)));
