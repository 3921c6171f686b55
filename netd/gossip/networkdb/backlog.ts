import { DecodeError } from '../wire/decode-error.ts';
import { decodeEnvelope, decodeNetworkEvent, decodeTableEvent, eachInCompound } from '../wire/networkdb-decode.ts';
import { release } from '../wire/release.ts';
import { onNetworkEvent } from './network-events.ts';
import type { NetworkDbState } from './state.ts';
import { onTableEvent } from './table-events.ts';

/** Received events applied before others get a turn: a few milliseconds of work. */
const APPLY_SLICE = 500;
/** Received bytes that may wait to be applied: three of the largest frames. */
const MAX_BACKLOG_BYTES = 64 * 1024 * 1024;

/** Told when all of a payload is applied; `isWhole` is false if rows had to be dropped that may have belonged to it. */
type Applied = (isWhole: boolean) => void;

interface BulkPayload {
  readonly payload: Buffer;
  /** Of the compound in it, unless it holds nothing or something else. */
  readonly data: Buffer | undefined;
}

/** Payload of a bulk sync. Throws DecodeError where it cannot be read. */
export function openBulkPayload(payload: Buffer): BulkPayload {
  if (payload.length === 0) return { payload, data: undefined };
  const { kind, data } = decodeEnvelope(payload);
  return { payload, data: kind === 'compound' ? data : undefined };
}

/** Rows received in bulk and not yet applied. A peer may send a hundred thousand at once; pings must not wait for them. */
export class Backlog {
  readonly #state: NetworkDbState;
  readonly #waiting: {
    readonly events: Iterator<Buffer, void>;
    readonly payload: Buffer;
    readonly applied: Applied;
  }[] = [];
  #bytes = 0;
  /** Something was dropped since nothing waited. A sync may come in many parts, and only the last of them is known for what it is. */
  #isLossy = false;

  constructor(state: NetworkDbState) {
    this.#state = state;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Takes the payload of a bulk sync, and releases the message it came in when all is applied; `applied` runs then. */
  add({ payload, data }: BulkPayload, applied: Applied): void {
    if (data === undefined) {
      applied(!this.#isLossy);
      return;
    }
    if (this.#bytes + payload.length > MAX_BACKLOG_BYTES) {
      this.#state.io.fact({ kind: 'dropped', what: 'bulk sync', reason: 'too many rows waiting to be applied' });
      this.#isLossy = true;
      applied(false);
      return;
    }
    this.#bytes += payload.length;
    this.#waiting.push({ events: eachInCompound(data), payload, applied });
    if (this.#waiting.length === 1) this.#applySlice();
  }

  /** Applies some of what waits; the rest has to wait for packets and pings that came meanwhile. */
  #applySlice(): void {
    for (let applied = 0; applied < APPLY_SLICE; applied++) {
      const first = this.#waiting[0];
      if (first === undefined) return;
      if (this.#applyOne(first.events)) continue;
      this.#waiting.shift();
      this.#bytes -= first.payload.length;
      // What is kept of it was copied.
      release(first.payload);
      first.applied(!this.#isLossy);
      if (this.#waiting.length === 0) this.#isLossy = false;
    }
    if (this.#waiting.length > 0) this.#state.io.timers.at(this.#state.io.nowMs, () => this.#applySlice());
  }

  /** False at the end, and when what follows cannot be read. */
  #applyOne(events: Iterator<Buffer, void>): boolean {
    try {
      const next = events.next();
      if (next.done) return false;
      const { kind, data } = decodeEnvelope(next.value);
      if (kind === 'tableEvent') onTableEvent(this.#state, decodeTableEvent(data), data, true);
      else if (kind === 'networkEvent') onNetworkEvent(this.#state, decodeNetworkEvent(data), data);
      return true;
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      // A generator that threw is finished; an event that was bad leaves the others readable.
      this.#state.counters.rowsRefused++;
      return true;
    }
  }
}
