import type { LamportTime } from '../wire/networkdb-message.ts';

/** Later times would overflow in some peer's hands (spec gossip §2). The decoders refuse them too. */
const MAX_TIME: LamportTime = 2n ** 63n;

/** A Lamport clock: orders events of many nodes without asking the wall clock. Starts at 0 with every process. */
export class LamportClock {
  #time: LamportTime = 0n;

  get time(): LamportTime {
    return this.#time;
  }

  /** A time for an event of our own: later than everything seen. */
  increment(): LamportTime {
    this.#time += 1n;
    return this.#time;
  }

  /** Notes a time seen. Seeing the present also moves it on, so that our next event is later. False if poisoned. */
  witness(seen: LamportTime): boolean {
    if (seen > MAX_TIME) return false;
    if (seen >= this.#time) this.#time = seen + 1n;
    return true;
  }
}
