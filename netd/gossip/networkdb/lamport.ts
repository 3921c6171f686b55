import type { LamportTime } from '../wire/networkdb-message.ts';

/** Later times would overflow in some peer's hands (spec gossip §2). The decoders refuse them too. */
const MAX_TIME: LamportTime = 2n ** 63n;
/**
 * What a jump must leave above it: a clock put to the last good time could not say anything any more that others accept.
 * Four billion events are fifty days of a thousand a second.
 */
const ROOM: LamportTime = 2n ** 32n;
/** The first time heard may be this much nearer, since the clocks of a cluster go on from where a jump has put them. */
const FIRST_ROOM: LamportTime = ROOM / 2n;

/** A Lamport clock: orders events of many nodes without asking the wall clock. Starts at 0 with every process. */
export class LamportClock {
  #time: LamportTime = 0n;
  #hasHeard = false;

  get time(): LamportTime {
    return this.#time;
  }

  /** A time for an event of our own: later than everything seen. */
  increment(): LamportTime {
    this.#time += 1n;
    return this.#time;
  }

  /**
   * Notes a time seen. Seeing the present also moves it on, so that our next event is later. False if what bears it is to be
   * dropped: it is poisoned, or would take us by one jump so near to the end that our own events would be.
   */
  witness(seen: LamportTime): boolean {
    if (seen > this.#limit()) return false;
    this.#hasHeard = true;
    if (seen >= this.#time) this.#time = seen + 1n;
    return true;
  }

  #limit(): LamportTime {
    const jump = MAX_TIME - (this.#hasHeard ? ROOM : FIRST_ROOM);
    const near = this.#time + FIRST_ROOM;
    if (near <= jump) return jump;
    // The clock itself is beyond, by many small steps: so are the others'.
    return near < MAX_TIME ? near : MAX_TIME;
  }
}
