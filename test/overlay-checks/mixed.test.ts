import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Bed, createBed } from '#test/hosts/bed.ts';
import { overlayLog } from './drift.ts';
import { describeMembers } from './members.ts';
import { createEverywhere, createNetwork, type MixedSwarm, mixedSwarm, settled } from './mixed-swarm.ts';
import { describeWire, type Ground } from './wire.ts';

/** Overlay networks of nodes of netd and of every version of Docker (spec dataplane §10). */

let bed: Bed;
let mixed: MixedSwarm;
let ground: Ground;

beforeAll(async () => {
  bed = await createBed();
  mixed = await mixedSwarm(bed);
  await createNetwork(mixed, 'plain', '--subnet', '10.11.0.0/24');
  await createEverywhere(mixed, 'each', 'plain');
  ground = { mixed, plain: await settled(mixed, 'each', 'plain') };
});
afterAll(() => bed?.end());

describeWire(() => ground);
describeMembers(() => ground);

describe('in all that', () => {
  test('nothing in the kernel ever was other than netd wanted it', async () => {
    for (const netd of mixed.netd) {
      expect([netd.host.name, overlayLog(netd).drifted]).toEqual([netd.host.name, 0]);
      const { total, open } = JSON.parse(await netd.run(['inspect', 'drift', '--json']));
      expect([netd.host.name, total, open]).toEqual([netd.host.name, 0, []]);
    }
  });
});
