import { afterAll, beforeAll, describe } from 'vitest';
import { Services } from '#test/conformance/services.ts';
import { OLDEST_AND_NEWEST } from '#test/conformance/two-workers.ts';
import { type Bed, createBed } from '#test/hosts/bed.ts';
import type { EngineOptions } from '#test/hosts/engine.ts';
import type { Host } from '#test/hosts/host.ts';
import { Netd, type NetdOptions } from '#test/hosts/netd.ts';
import { type Swarm, swarmInit } from '#test/hosts/swarm.ts';

export interface SurvivorOptions {
  readonly engine?: EngineOptions;
  readonly netd?: NetdOptions;
  /** Done to the host before netd starts. */
  readonly prepare?: (host: Host) => Promise<void>;
}

/** A swarm with one manager, which runs no tasks itself. */
export interface SurvivorSwarm {
  readonly swarm: Swarm;
  readonly services: Services;
  /** A new worker of netd. */
  readonly worker: (name: string, options?: SurvivorOptions) => Promise<Netd>;
}

export interface Survivors {
  /**
   * A swarm that beats every 20 s, and so misses a worker after a minute at the soonest: for what is over by then, also on a
   * loaded machine.
   */
  readonly patient: SurvivorSwarm;
  /** One that beats every 5 s, as by default: a worker is missed after some 15 s. */
  readonly strict: SurvivorSwarm;
}

/** Hosts of one version that are made at once; more of them only wait for each other. */
const MADE_AT_ONCE = 2;

/** Runs the tests that `body` defines, all at once, with the oldest and with the newest engines and managers. */
export function describeSurvival(title: string, body: (survivors: () => Survivors) => void): void {
  describe.concurrent.each(OLDEST_AND_NEWEST)(`${title}, with Docker %s`, (version) => {
    let bed: Bed | undefined;
    let survivors: Survivors | undefined;
    beforeAll(async () => {
      bed = await createBed({ engine: version });
      const inTurn = turnstile(MADE_AT_ONCE);
      const [patient, strict] = await Promise.all([
        makeSwarm(bed, 'm1', '20s', inTurn),
        makeSwarm(bed, 'm2', '5s', inTurn),
      ]);
      survivors = { patient, strict };
    });
    afterAll(() => bed?.end());
    body(() => {
      if (survivors === undefined) throw new Error('the swarms are made in a hook: use them in tests');
      return survivors;
    });
  });
}

async function makeSwarm(bed: Bed, name: string, beat: string, inTurn: Turnstile): Promise<SurvivorSwarm> {
  const manager = await bed.host(name);
  await manager.engine.start();
  const swarm = await swarmInit(manager, { flags: ['--dispatcher-heartbeat', beat, '--availability', 'drain'] });
  const worker = (worker: string, options: SurvivorOptions = {}) =>
    inTurn(async () => {
      const host = await bed.host(worker);
      await host.engine.start(options.engine);
      await host.engine.load();
      await options.prepare?.(host);
      const netd = new Netd(host, options.netd);
      await netd.start();
      await netd.join(swarm);
      return netd;
    });
  return { swarm, services: new Services(manager), worker };
}

type Turnstile = <T>(work: () => Promise<T>) => Promise<T>;

/** Lets so many pieces of work be under way at once; others wait, in order. */
function turnstile(most: number): Turnstile {
  let busy = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (busy === most) await new Promise<void>((resolve) => waiting.push(resolve));
    else busy++;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else busy--;
    }
  };
}
