import { STREAM_TIMEOUT_MS } from '../swim/timing.ts';
import type { Timer } from '../timers.ts';
import { DecodeError } from '../wire/decode-error.ts';
import { decodeBulkSync } from '../wire/networkdb-decode.ts';
import { encodeBulkSync, encodeEnvelope, TableCompound } from '../wire/networkdb-encode.ts';
import type { BulkSync } from '../wire/networkdb-message.ts';
import { encodeUserStream } from '../wire/user-stream.ts';
import { Backlog, openBulkPayload } from './backlog.ts';
import { BULK_SYNC_ACK_MS, bulkSyncPeriodMs } from './constants.ts';
import { isUpdateFresh } from './fresh-updates.ts';
import { introductionOf } from './network-events.ts';
import type { Peer } from './peers.ts';
import type { Row } from './rows.ts';
import { type NetworkDbState, residualSec } from './state.ts';
import { noteAsked } from './unaware.ts';
import { noteSign } from './unheard.ts';

/**
 * Payload of one message. The reference puts whole networks into one frame, which ends at 20 MiB and keeps both ends busy
 * for seconds; all messages but the last say "not a request" and are taken as answers, which every version merges.
 */
const CHUNK_BYTES = 256 * 1024;
/** The last row may go over that. */
const CHUNK_ROOM = CHUNK_BYTES + 1024;
/** Streams on which we send rows at the same time. */
const MAX_SENDING = 4;
/** Peers whose answers we await at the same time: each may be 20 MB in one piece, and hold three times that when opened. */
const MAX_AWAITED = 4;
/** Who has not answered after this long probably will not, as it does not know us yet: it holds up nobody else. */
const HOLD_MS = 3000;
/**
 * Who was asked about a network keeps its own round for so much longer than a period. Of two nodes one then asks and the
 * other answers, and their requests do not cross (spec gossip §18.3 no. 2).
 */
const ASKED_ENOUGH = 7 / 6;
/** A node that asks before we have heard of it waits half a minute for the answer; gossip brings it within a second or two. */
const EARLY_MS = 10_000;
const MAX_EARLY = 64;
/** Transfers waiting their turn; beyond this a peer asks again in half a minute. */
const MAX_QUEUED = 256;

interface Transfer {
  readonly peer: string;
  readonly networks: Set<string>;
  /** We ask for their rows in return. */
  readonly request: boolean;
  readonly waiting: ((ok: boolean) => void)[];
}

/** Whole tables between two nodes, over streams (spec gossip §14.12). */
export class BulkSyncs {
  readonly #state: NetworkDbState;
  readonly #queue: Transfer[] = [];
  #sending = 0;
  /** Requests sent whose answer has not come. */
  readonly #awaited = new Map<string, { readonly transfer: Transfer; readonly timer: Timer }[]>();
  /** Those of them that are likely to come. */
  readonly #holding = new Set<Transfer>();
  /** How many answers to a peer are queued or being sent. */
  readonly #answers = new Map<string, number>();
  /** By name, networks that nodes have asked about of which we had not heard, or which we had given up. */
  readonly #early = new Map<string, { readonly networks: Set<string>; readonly untilMs: number }>();
  readonly #backlog: Backlog;

  constructor(state: NetworkDbState) {
    this.#state = state;
    this.#backlog = new Backlog(state);
  }

  /** Transfers queued, being sent, and awaiting an answer; received bytes not yet applied. */
  get load(): {
    readonly queued: number;
    readonly sending: number;
    readonly awaited: number;
    readonly backlogBytes: number;
  } {
    const { length: queued } = this.#queue;
    return { queued, sending: this.#sending, awaited: this.#awaited.size, backlogBytes: this.#backlog.bytes };
  }

  /** Exchanges the rows of `networks` with one peer. `done` hears whether it worked; silence counts as success. */
  request(peer: string, networks: Iterable<string>, done: (ok: boolean) => void): void {
    this.#enqueue(peer, networks, true, done);
  }

  /** Exchanges rows of each network with up to `count` random members of it, asking each member once for all. */
  syncEach(networks: Iterable<string>, count: number, done: (network: string) => void): void {
    const perPeer = new Map<string, string[]>();
    const left = new Map<string, number>();
    for (const network of networks) {
      const roster = this.#state.rosters.get(network);
      const isPeer = (name: string) => this.#state.peers.get(name)?.status === 'active';
      const peers = roster?.deal(count, this.#state.io.random, isPeer) ?? [];
      if (peers.length === 0) done(network);
      else left.set(network, peers.length);
      for (const peer of peers) perPeer.set(peer, [...(perPeer.get(peer) ?? []), network]);
    }
    for (const [peer, wanted] of perPeer) {
      this.request(peer, wanted, () => {
        for (const network of wanted) {
          const more = (left.get(network) ?? 0) - 1;
          left.set(network, more);
          if (more === 0) done(network);
        }
      });
    }
  }

  /**
   * The regular round: every network with one member, a second one if the first fails. A network on which a member has asked
   * us lately is left out: rows went both ways then.
   */
  tick(): void {
    const { io, rows } = this.#state;
    const enoughMs = ASKED_ENOUGH * bulkSyncPeriodMs(rows.size);
    const uncovered = new Set<string>();
    for (const [network, own] of this.#state.own) {
      if (!own.leaving && io.nowMs - own.askedAtMs > enoughMs) uncovered.add(network);
    }
    for (const network of [...uncovered]) {
      if (!uncovered.has(network)) continue;
      const roster = this.#state.rosters.get(network);
      const isPeer = (name: string) => this.#state.peers.get(name)?.status === 'active';
      const [first, second] = roster?.deal(2, this.#state.io.random, isPeer) ?? [];
      if (first === undefined) continue;
      const shared = this.#sharedWith(first);
      for (const one of shared) uncovered.delete(one);
      this.request(first, shared, (ok) => {
        if (!ok && second !== undefined) this.request(second, this.#sharedWith(second), () => undefined);
      });
    }
  }

  /** A bulk sync from a stream. Throws DecodeError. */
  receive(data: Buffer): void {
    const state = this.#state;
    const sync = decodeBulkSync(data);
    // Our own name as sender would have us talk to ourselves.
    if (sync.node === state.config.name) return;
    const payload = openBulkPayload(sync.payload); // before anything is believed of it
    if (sync.time > 0n && !state.tableClock.witness(sync.time)) {
      throw new DecodeError(`implausible Lamport time ${sync.time}`);
    }
    state.counters.bulkSyncsReceived++;
    const isPart = sync.networks.length === 0 && payload.data !== undefined && payload.data.length > 0;
    // A sync has come when its rows are there: before that a row is not missed, and not news to pass on.
    this.#backlog.add(payload, (isWhole) => {
      if (!isPart) this.#applied(sync, isWhole);
    });
    if (!sync.unsolicited) return;
    const known = sync.networks.filter((network) => state.own.has(network));
    const peer = state.peers.get(sync.node);
    if (peer?.status === 'active') this.#asked(peer, known);
    else this.#keepEarly(sync.node, known);
  }

  /** Membership has heard of a node, or has it back. */
  peerUp(peer: Peer): void {
    const early = this.#early.get(peer.name);
    this.#early.delete(peer.name);
    if (early !== undefined && early.untilMs > this.#state.io.nowMs) this.#asked(peer, [...early.networks]);
  }

  /**
   * A node of the reference that attaches asks every member it knows, one after the other, and a container waits for it; it
   * knows us from its first push/pull, and we hear of it by gossip a moment later.
   */
  #keepEarly(node: string, networks: readonly string[]): void {
    const early = this.#early;
    const untilMs = this.#state.io.nowMs + EARLY_MS;
    const before = early.get(node)?.networks ?? [];
    early.delete(node); // the oldest is first
    const [oldest] = early.keys();
    if (early.size >= MAX_EARLY && oldest !== undefined) early.delete(oldest);
    early.set(node, { networks: new Set([...before, ...networks]), untilMs });
  }

  #asked(peer: Peer, networks: readonly string[]): void {
    this.#noteAsked(peer, networks);
    this.#enqueue(peer.name, networks, false, () => undefined);
  }

  /** The rows of a sync are there, or as many as we had room for. */
  #applied({ node, networks, unsolicited }: BulkSync, isWhole: boolean): void {
    const theirs = this.#state.attachments.get(node);
    for (const network of isWhole ? networks : []) {
      const own = this.#state.own.get(network);
      // Rows of whoever is not known to be there were dropped.
      if (own !== undefined && theirs?.has(network)) own.heard = true;
    }
    if (!unsolicited) this.#answered(node);
  }

  /** The peer has asked for the rows of these networks of ours. It also names those it is leaving. */
  #noteAsked(peer: Peer, networks: readonly string[]): void {
    const state = this.#state;
    const theirs = state.attachments.get(peer.name);
    for (const network of networks) if (!theirs?.has(network)) noteSign(state, peer.name, network);
    // Rows of whoever is not known to be there were dropped.
    const exchanged = networks.filter((network) => theirs?.has(network));
    peer.synced = { networks: exchanged, atMs: state.io.nowMs };
    for (const network of exchanged) {
      const own = state.own.get(network);
      if (own !== undefined) own.askedAtMs = state.io.nowMs;
    }
    noteAsked(state, peer.name, networks);
  }

  /** Networks both we (leaving or not) and the peer are on. */
  #sharedWith(peer: string): string[] {
    const theirs = this.#state.attachments.get(peer);
    return [...this.#state.own.keys()].filter((network) => theirs?.get(network)?.leaving === false);
  }

  #enqueue(peer: string, networks: Iterable<string>, request: boolean, done: (ok: boolean) => void): void {
    const waiting = this.#queue.find((transfer) => transfer.peer === peer && transfer.request === request);
    if (waiting !== undefined) {
      for (const network of networks) waiting.networks.add(network);
      waiting.waiting.push(done);
      return;
    }
    if (this.#queue.length >= MAX_QUEUED) {
      done(false);
      return;
    }
    this.#queue.push({ peer, networks: new Set(networks), request, waiting: [done] });
    if (!request) this.#answers.set(peer, (this.#answers.get(peer) ?? 0) + 1);
    this.#sendNext();
  }

  /** Begins the next transfer, and the one after it in a turn of its own: each begins with a few milliseconds of work. */
  #sendNext(): void {
    const { io } = this.#state;
    if (this.#sending >= MAX_SENDING) return;
    const mayAsk = this.#holding.size < MAX_AWAITED;
    // A class A peer that waits for our answer forgets that it does when it answers a request of ours first, and is then
    // held up for half a minute, while attaching for instance (spec gossip §18.3 no. 2).
    const next = this.#queue.findIndex((one) => !one.request || (mayAsk && !this.#answers.has(one.peer)));
    const [transfer] = next < 0 ? [] : this.#queue.splice(next, 1);
    if (transfer === undefined) return;
    this.#sending++;
    this.#send(transfer, this.#rowsOf(transfer), this.#introductions(transfer));
    if (this.#queue.length > 0) io.timers.at(io.nowMs, () => this.#sendNext());
  }

  /** Our attachments, before the rows of a request: whoever missed them would drop the rows (spec gossip §14.5). */
  #introductions({ request, networks }: Transfer): Buffer[] {
    if (!request) return [];
    return [...networks].flatMap((network) => {
      const own = this.#state.own.get(network);
      return own === undefined || own.leaving ? [] : [introductionOf(this.#state, network, own)];
    });
  }

  *#rowsOf(transfer: Transfer): Generator<Row, void> {
    for (const network of transfer.networks) {
      // The list is a snapshot, as rows come and go between chunks; each is read again when its turn comes.
      for (const { table, key } of [...this.#state.rows.of(network)]) {
        const row = this.#state.rows.get(network, table, key);
        if (row !== undefined && !isUpdateFresh(this.#state, row)) yield row;
      }
    }
  }

  /** Sends the next chunk, and after it the following, until all is sent or something fails. */
  #send(transfer: Transfer, rows: Generator<Row, void>, before: readonly Buffer[] = []): void {
    const state = this.#state;
    const peer = state.peers.get(transfer.peer);
    if (peer?.status !== 'active') {
      this.#finish(transfer, false);
      return;
    }
    const { payload, isLast } = this.#nextChunk(rows, before);
    const message = encodeBulkSync({
      // Newer versions wait for a time above the one they sent; witnessing theirs and then counting gives that.
      time: state.tableClock.increment(),
      // The request comes last, so that the answer finds all our rows there.
      unsolicited: transfer.request && isLast,
      node: state.config.name,
      // A part that others follow names none: it is no answer yet.
      networks: isLast ? [...transfer.networks] : [],
      payload,
    });
    const stream = encodeUserStream(encodeEnvelope('bulkSync', message));
    const options = { wantsReply: false, timeoutMs: STREAM_TIMEOUT_MS };
    if (isLast && transfer.request) this.#await(transfer);
    state.counters.bulkSyncsSent++;
    state.io.stream(peer.address, stream, options, {
      failed: () => {
        this.#stopAwaiting(transfer);
        this.#finish(transfer, false);
      },
      done: () => {
        if (!isLast) this.#send(transfer, rows);
        else if (transfer.request) this.#release();
        else this.#finish(transfer, true);
      },
    });
  }

  #nextChunk(
    rows: Generator<Row, void>,
    before: readonly Buffer[],
  ): { readonly payload: Buffer; readonly isLast: boolean } {
    const compound = new TableCompound(CHUNK_ROOM);
    for (const envelope of before) compound.addEnvelope(envelope);
    while (compound.bytes < CHUNK_BYTES) {
      const next = rows.next();
      if (next.done) return { payload: compound.take(), isLast: true };
      const row = next.value;
      const type = row.deleted ? 'delete' : 'create';
      compound.add({ ...row, type, residualSec: residualSec(this.#state, row) });
    }
    return { payload: compound.take(), isLast: false };
  }

  #await(transfer: Transfer): void {
    const { io } = this.#state;
    const timer = io.timers.at(io.nowMs + BULK_SYNC_ACK_MS, () => {
      this.#stopAwaiting(transfer);
      settle(transfer, true);
      this.#sendNext();
    });
    this.#holding.add(transfer);
    io.timers.at(io.nowMs + HOLD_MS, () => {
      if (this.#holding.delete(transfer)) this.#sendNext();
    });
    const list = this.#awaited.get(transfer.peer) ?? [];
    list.push({ transfer, timer });
    this.#awaited.set(transfer.peer, list);
  }

  #stopAwaiting(transfer: Transfer): void {
    this.#holding.delete(transfer);
    const list = this.#awaited.get(transfer.peer) ?? [];
    const kept = list.filter((one) => one.transfer !== transfer);
    for (const one of list) if (one.transfer === transfer) one.timer.cancel();
    if (kept.length === 0) this.#awaited.delete(transfer.peer);
    else this.#awaited.set(transfer.peer, kept);
  }

  /** One answer answers everything asked of that peer. */
  #answered(peer: string): void {
    const list = this.#awaited.get(peer) ?? [];
    this.#awaited.delete(peer);
    const known = this.#state.peers.get(peer);
    const networks = [...new Set(list.flatMap(({ transfer }) => [...transfer.networks]))];
    if (known !== undefined && list.length > 0) known.synced = { networks, atMs: this.#state.io.nowMs };
    for (const { transfer, timer } of list) {
      timer.cancel();
      this.#holding.delete(transfer);
      settle(transfer, true);
    }
    this.#sendNext();
  }

  #finish(transfer: Transfer, ok: boolean): void {
    settle(transfer, ok);
    if (!transfer.request) {
      const left = (this.#answers.get(transfer.peer) ?? 0) - 1;
      if (left > 0) this.#answers.set(transfer.peer, left);
      else this.#answers.delete(transfer.peer);
    }
    this.#release();
  }

  #release(): void {
    this.#sending--;
    this.#sendNext();
  }
}

function settle(transfer: Transfer, ok: boolean): void {
  for (const done of transfer.waiting.splice(0)) done(ok);
}
