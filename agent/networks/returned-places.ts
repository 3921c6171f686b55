import { errorText } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import { createReconciler } from '#base/reconciler.ts';
import type { PlaceManagers } from './place-managers.ts';

/**
 * Places that are not used any more, until the managers know. They keep a task that nobody gives back for good: neither its end
 * nor its age makes them delete it.
 */
export interface ReturnedPlaces {
  readonly giveBack: (taskId: string) => void;
  /** The managers have taken the task away. */
  readonly forget: (taskId: string) => void;
  /** A session has begun: what the last one got through, nobody knows. */
  readonly retell: () => void;
  readonly close: () => Promise<void>;
}

const RETRY_MS = 1000;
const AT_ONCE = 4;

export function createReturnedPlaces(
  managers: Pick<PlaceManagers, 'giveBack' | 'hasSession'>,
  log: Logger,
): ReturnedPlaces {
  /** At most as many as there are tasks of this node: each is forgotten with its task. */
  const places = new Map<string, 'to be told' | 'told'>();
  const telling = createReconciler({
    pass: async (taskId) => {
      if (places.get(taskId) !== 'to be told' || !managers.hasSession()) return;
      await managers.giveBack(taskId);
      if (places.has(taskId)) places.set(taskId, 'told');
    },
    onError: (task, error) => log.debug({ task, error: errorText(error) }, 'an address could not be given back yet'),
    concurrency: AT_ONCE,
    retryMs: RETRY_MS,
  });
  return {
    giveBack: (taskId) => {
      if (!places.has(taskId)) places.set(taskId, 'to be told');
      telling.mark(taskId);
    },
    forget: (taskId) => {
      places.delete(taskId);
      telling.forget(taskId);
    },
    retell: () => {
      for (const taskId of places.keys()) {
        places.set(taskId, 'to be told');
        telling.mark(taskId);
      }
    },
    close: telling.stop,
  };
}
