import pLimit from 'p-limit';

/**
 * Lets so many pieces of work run at once, in the order they came. Work that takes longer than `longestMs` goes on outside, and
 * the next takes its place: a few that hang hold nobody up for longer.
 */
export type Gate = <T>(work: () => Promise<T>) => Promise<T>;

export function createGate(places: number, longestMs: number): Gate {
  const limit = pLimit(places);
  return async (work) => {
    const begun = await limit(async () => {
      const done = work();
      await endOrTimer(done, longestMs);
      return { done }; // in an object, for a promise would be waited for
    });
    return begun.done;
  };
}

/** Resolves when the work has ended, well or not, and at the latest after so many milliseconds. */
function endOrTimer(work: Promise<unknown>, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    const end = () => {
      clearTimeout(timer);
      resolve();
    };
    work.then(end, end);
  });
}
