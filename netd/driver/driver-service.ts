import type { Clock } from '#base/clock.ts';
import { errorChain } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import type { NetworkDriver } from './driver.ts';
import { type DriverServer, serveDriver } from './server.ts';

/** The driver's server, from now on and whatever happens to its place on disk. */
export interface DriverService {
  /** Why the engine cannot call; undefined if it can. */
  readonly problem: () => string | undefined;
  readonly close: () => Promise<void>;
}

/** Another netd may be just ending, a full disk may be cleaned: worth another try soon. */
const RETRY_MS = 2000;

export interface DriverServiceOptions {
  readonly socketPath: string;
  readonly driver: NetworkDriver;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Begins to serve, and goes on trying while it cannot; resolves after the first try. */
export async function startDriverService(options: DriverServiceOptions): Promise<DriverService> {
  const { clock, log } = options;
  const stopped = new AbortController();
  let server: DriverServer | undefined;
  let problem: string | undefined;

  const attempt = async (): Promise<void> => {
    try {
      server = await serveDriver(options);
      if (problem !== undefined) log.info('the network driver is served again');
      problem = undefined;
    } catch (error) {
      const words = `the engine cannot call netd: ${errorChain(error)}`;
      if (problem !== words) log.error({ error: errorChain(error) }, 'the network driver cannot be served; trying on');
      problem = words;
    }
  };

  await attempt();
  const trying = (async () => {
    while (server === undefined && !stopped.signal.aborted) {
      await clock.sleep(RETRY_MS, stopped.signal).catch(() => {});
      if (!stopped.signal.aborted) await attempt();
    }
  })();

  return {
    problem: () => problem,
    close: async () => {
      stopped.abort(new Error('netd is stopping'));
      await trying;
      await server?.close();
    },
  };
}
