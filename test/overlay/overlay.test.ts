import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '#test/hosts/eventually.ts';
import { fragments, pings, Stage } from './stage.ts';

let stage: Stage;

beforeEach(async () => {
  stage = await Stage.create(2);
  for (const host of stage.hosts) host.start();
});
afterEach(async () => {
  await stage[Symbol.asyncDispose]();
});

describe('two hosts', () => {
  test('containers reach each other through VXLAN, both ways, also across subnets', async () => {
    const [one, two] = [stage.host(1), stage.host(2)];
    const [a, b, c] = [
      await one.container('10.100.1.10/24'),
      await two.container('10.100.1.20/24'),
      await two.container('10.100.2.20/24'),
    ];
    await eventually('a reaches b', () => pings(a, b.ip));
    expect(await pings(b, a.ip)).toBe(true);
    expect(await pings(a, c.ip)).toBe(true);
    expect(await pings(c, a.ip)).toBe(true);
    expect(await pings(b, c.ip)).toBe(true);
    // What fits the overlay is cut nowhere; a byte more is cut where it starts.
    const before = await fragments(a.sandbox);
    expect(await pings(a, b.ip, 1450 - 28)).toBe(true);
    expect([await fragments(a.sandbox), await fragments(one.namespace)]).toEqual([before, 0]);
    await pings(a, b.ip, 1450 - 27);
    expect(await fragments(a.sandbox)).toBeGreaterThan(before);
    expect(await fragments(one.namespace)).toBe(0);
  });
});
