import type { Io } from '../io.ts';
import type { SwimDelegate } from '../swim/state.ts';
import { GOSSIP_INTERVAL_MS, transmitBudget } from '../swim/timing.ts';
import { DecodeError } from '../wire/decode-error.ts';
import {
  decodeEnvelope,
  decodeNetworkEvent,
  decodeNodeEvent,
  decodeTableEvent,
  eachInCompound,
  readNetworkPushPull,
} from '../wire/networkdb-decode.ts';
import { AttachmentList, encodeEnvelope } from '../wire/networkdb-encode.ts';
import type { Address } from '../wire/swim-message.ts';
import { reintroduce } from './attach.ts';
import { BulkSyncs } from './bulk-sync.ts';
import { BULK_SYNC_INTERVAL_MS, bulkSyncPeriodMs, REAP_PERIOD_MS } from './constants.ts';
import type { Exchange } from './exchange.ts';
import { Healing } from './heal.ts';
import { applyNetworkEvent, onNetworkEvent, reapAttachments } from './network-events.ts';
import { announceLeave, forgetPeers, memberDown, memberUp, onNodeEvent, toldTime } from './node-events.ts';
import type { RowChange } from './rows.ts';
import { createNetworkDbState, type NetworkDbConfig, type NetworkDbState } from './state.ts';
import { onTableEvent } from './table-events.ts';
import { tableGossipTick } from './table-gossip.ts';
import { noteForgotten, tellUnaware } from './unaware.ts';
import { askUnheard, lookAround } from './unheard.ts';

/** Compounds in compounds: nobody sends any, one level would be odd, four are enough. */
const MAX_DEPTH = 4;
/** How long the LEAVE event may take to get out, and how long it has to itself before memberlist's goodbye. */
const LEAVE_WAIT_MS = 4000;
const LEAVE_GAP_MS = 600;
/** How soon rows missed with an attachment are asked for: not by all nodes in the same moment. */
const MISSED_SYNC_MS = 2000;
/** Attachments of a push/pull merged in one step: a few milliseconds of work. */
const MERGE_STEP = 1500;
/** Attachments of our own state told in one step. */
const TELL_STEP = 5000;
/** How often we look whether somebody has to be asked what we have not heard. */
const ASK_PERIOD_MS = 400;
/** Everybody is told about us again at most this often: peers may go on giving us up. */
const REINTRODUCE_MS = 3000;

/** Networks, who is on them, and their tables (spec gossip §14); carried by SWIM, of which it is the delegate. */
export class NetworkDb implements SwimDelegate {
  readonly state: NetworkDbState;
  readonly bulk: BulkSyncs;
  readonly #healing: Healing;
  /** When everybody is or was told about us again. */
  #reintroducedAtMs = Number.NEGATIVE_INFINITY;
  /** Our networks on which a push/pull showed nodes we did not know there. */
  readonly #missed = new Set<string>();
  #syncing = false;

  constructor(config: NetworkDbConfig, io: Io, exchange: Exchange, rowChanged: (change: RowChange) => void) {
    this.state = createNetworkDbState(config, io, rowChanged);
    this.bulk = new BulkSyncs(this.state);
    this.#healing = new Healing(this.state, this.bulk, exchange);
    const { timers, nowMs, random } = io;
    io.every(GOSSIP_INTERVAL_MS, () => tableGossipTick(this.state));
    // Anywhere in the first half minute, so that nodes started together do not ask together.
    const firstBulkMs = nowMs + (0.5 + random() / 2) * BULK_SYNC_INTERVAL_MS;
    timers.every(
      firstBulkMs,
      () => bulkSyncPeriodMs(this.state.rows.size),
      () => this.bulk.tick(),
    );
    io.every(ASK_PERIOD_MS, () => {
      askUnheard(this.state, exchange);
      lookAround(this.state, exchange);
      tellUnaware(this.state, (peer, networks) => this.bulk.request(peer, networks, () => undefined));
    });
    io.every(REAP_PERIOD_MS, () => {
      this.state.rows.reap(io.nowMs);
      reapAttachments(this.state);
      forgetPeers(this.state);
    });
  }

  join(addresses: readonly Address[]): void {
    this.#healing.join(addresses);
  }

  /** Says that we are leaving; `done` runs when memberlist may say its goodbye (spec gossip §17.4). */
  leave(done: () => void): void {
    const { io, nodeQueue } = this.state;
    const key = announceLeave(this.state);
    const giveUpMs = io.nowMs + LEAVE_WAIT_MS;
    const check = () => {
      const isOut = !nodeQueue.has(key) || this.state.activePeers <= 1;
      // Receivers take the newest of a burst first: without the gap, counted from the last copy, the goodbye could overtake
      // the event, and who hears it first takes us for failed.
      if (isOut || io.nowMs >= giveUpMs) io.timers.at(io.nowMs + LEAVE_GAP_MS, done);
      else io.timers.at(io.nowMs + GOSSIP_INTERVAL_MS / 4, check);
    };
    check();
  }

  /** A message from a stream. Throws DecodeError. */
  streamMessage(bytes: Buffer): void {
    const { kind, data } = decodeEnvelope(bytes);
    if (kind === 'bulkSync') this.bulk.receive(data);
    else this.#message(bytes, 0);
  }

  pendingBroadcasts(): number {
    return this.state.networkQueue.size + this.state.nodeQueue.size;
  }

  broadcasts(overheadBytes: number, availableBytes: number): Buffer[] {
    const limit = transmitBudget(this.state.activePeers);
    const taken = this.state.networkQueue.take(overheadBytes, availableBytes, limit);
    let left = availableBytes;
    for (const message of taken) left -= message.length + overheadBytes;
    taken.push(...this.state.nodeQueue.take(overheadBytes, left, limit));
    return taken;
  }

  userMessage(bytes: Buffer): void {
    this.#message(bytes, 0);
  }

  *localState(join: boolean): Generator<void, Buffer> {
    const { own, attachments: others, networkClock, config } = this.state;
    const joinTime = join ? networkClock.increment() : undefined;
    const told = new AttachmentList(toldTime(this.state), own.size * (others.size + 1));
    for (const [network, one] of own) {
      if (joinTime !== undefined) one.time = joinTime;
      told.add({ network, time: one.time, node: config.name, leaving: one.leaving });
    }
    let count = 0;
    for (const [node, networks] of others) {
      for (const [network, { time, leaving }] of networks) told.add({ network, time, node, leaving });
      count += networks.size;
      if (count < TELL_STEP) continue;
      count = 0;
      yield;
    }
    return encodeEnvelope('pushPull', told.take(config.name));
  }

  *mergeState(bytes: Buffer): Generator<void, void> {
    if (bytes.length === 0) return;
    const { kind, data } = decodeEnvelope(bytes);
    if (kind !== 'pushPull') throw new DecodeError(`user state of kind ${kind}`);
    const attachments = readNetworkPushPull(data);
    for (let merged = 1; ; merged++) {
      const next = attachments.next();
      if (next.done) {
        this.#syncMissed();
        onNodeEvent(this.state, { type: 'join', ...next.value }, data);
        return;
      }
      const { leaving, time, node, network } = next.value;
      const type = leaving ? 'leave' : 'join';
      const wasThere = this.state.rosters.get(network)?.has(node) === true;
      const isNews = applyNetworkEvent(this.state, { type, time, node, network });
      if (isNews && type === 'join' && !wasThere && this.state.own.get(network)?.leaving === false)
        this.#missed.add(network);
      if (merged % MERGE_STEP === 0) yield;
    }
  }

  memberUp(member: { readonly name: string; readonly ip: string; readonly port: number }): void {
    const wasGone = memberUp(this.state, member.name, { ip: member.ip, port: member.port });
    const peer = this.state.peers.get(member.name);
    if (peer === undefined) return;
    this.bulk.peerUp(peer);
    if (wasGone) this.#healing.returned(peer);
  }

  memberDown(member: { readonly name: string; readonly state: string }): void {
    const displaced = memberDown(this.state, member.name, member.state === 'left' ? 'left' : 'failed');
    if (displaced !== undefined) this.#healing.returned(displaced);
  }

  declaredDead(): void {
    const { io } = this.state;
    noteForgotten(this.state);
    if (io.nowMs < this.#reintroducedAtMs) return;
    io.fact({ kind: 'resurrected' });
    // Our objection has to be there first: rows of a dead node are dropped.
    this.#reintroducedAtMs = Math.max(io.nowMs + GOSSIP_INTERVAL_MS, this.#reintroducedAtMs + REINTRODUCE_MS);
    io.timers.at(this.#reintroducedAtMs, () => reintroduce(this.state));
  }

  /**
   * An attachment heard of by push/pull is one that gossip did not bring: rows of that node were dropped until now, and
   * waiting half a minute for them would be long.
   */
  #syncMissed(): void {
    const { io, own } = this.state;
    if (this.#missed.size === 0 || this.#syncing) return;
    this.#syncing = true;
    io.timers.at(io.nowMs + (0.5 + io.random() / 2) * MISSED_SYNC_MS, () => {
      this.#syncing = false;
      const networks = [...this.#missed].filter((network) => own.get(network)?.leaving === false);
      this.#missed.clear();
      this.bulk.syncEach(networks, 1, () => undefined);
    });
  }

  #message(bytes: Buffer, depth: number): void {
    if (bytes.length === 0) return;
    const { kind, data } = decodeEnvelope(bytes);
    if (kind === 'tableEvent') onTableEvent(this.state, decodeTableEvent(data), data, false);
    else if (kind === 'networkEvent') onNetworkEvent(this.state, decodeNetworkEvent(data), data);
    else if (kind === 'nodeEvent') onNodeEvent(this.state, decodeNodeEvent(data), data);
    else if (kind === 'compound') this.#compound(data, depth);
    // Push/pulls and bulk syncs have their own ways in; here they are misplaced.
  }

  #compound(data: Buffer, depth: number): void {
    if (depth >= MAX_DEPTH) throw new DecodeError('compounds nested too deep');
    for (const part of eachInCompound(data)) {
      try {
        this.#message(part, depth + 1);
      } catch (error) {
        // One bad part does not take the others with it.
        if (!(error instanceof DecodeError)) throw error;
        this.state.counters.rowsRefused++;
      }
    }
  }
}
