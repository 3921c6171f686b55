import { BroadcastQueue } from '../broadcast-queue.ts';
import type { Io } from '../io.ts';
import type { Address, Source } from '../wire/swim-message.ts';
import { DOCKER_VERSIONS, NO_META } from '../wire/swim-message.ts';
import { Work } from '../work.ts';
import { type Member, Members } from './members.ts';
import type { Suspicion } from './suspicion.ts';
import { MAX_HEALTH_SCORE } from './timing.ts';

export interface SwimConfig {
  /** Twelve hex digits drawn anew for each start; never the swarm node id (spec gossip §2). */
  readonly name: string;
  /** What peers dial: advertised IP and port. */
  readonly address: Address;
  /** Largest plaintext packet: control plane MTU - 100. */
  readonly packetBytes: number;
}

/** What the layer above is asked and told: memberlist's delegate (spec gossip §12). */
export interface SwimDelegate {
  /** User messages for a packet, within `availableBytes`, each costing `overheadBytes` more than its length. */
  readonly pendingBroadcasts: () => number;
  readonly broadcasts: (overheadBytes: number, availableBytes: number) => readonly Buffer[];
  readonly userMessage: (bytes: Buffer) => void;
  /** In steps of a few milliseconds. */
  readonly localState: (join: boolean) => Generator<void, Buffer>;
  /** In steps of a few milliseconds. Throws DecodeError. */
  readonly mergeState: (bytes: Buffer) => Generator<void, void>;
  readonly memberUp: (member: Readonly<Member>) => void;
  readonly memberDown: (member: Readonly<Member>) => void;
  /** Peers had given us up; whatever they held of ours is gone. */
  readonly declaredDead: () => void;
}

/** Somebody waits for an ack with this number: our probe, or a probe we relay. */
export interface AckWaiter {
  readonly acked: () => void;
  readonly nacked: () => void;
}

/** All that SWIM remembers. The functions beside this file each own a part of what changes it. */
export interface SwimState {
  readonly config: SwimConfig;
  readonly io: Io;
  readonly delegate: SwimDelegate;
  readonly members: Members;
  readonly self: Member;
  readonly queue: BroadcastQueue;
  readonly suspicions: Map<string, Suspicion>;
  readonly ackWaiters: Map<number, AckWaiter>;
  /** What probes and pings say about who asks. */
  readonly source: Source;
  seqNo: number;
  healthScore: number;
  probeIndex: number;
  probing: boolean;
  gossipIndex: number;
  /** Whole states, put together and merged in turns. */
  readonly work: Work;
  /** Large states that are being merged in turns. */
  merges: number;
  leaving: boolean;
  refutedAtMs: number;
  /** Highest incarnation we are accused under and have not yet answered. */
  accusedIncarnation: number | undefined;
}

export function createSwimState(config: SwimConfig, io: Io, delegate: SwimDelegate): SwimState {
  const members = new Members(io.random);
  const self: Member = {
    name: config.name,
    ...config.address,
    meta: NO_META,
    versions: DOCKER_VERSIONS,
    incarnation: 1,
    state: 'alive',
    stateSinceMs: io.nowMs,
  };
  members.add(self);
  return {
    config,
    io,
    delegate,
    members,
    self,
    queue: new BroadcastQueue(),
    suspicions: new Map(),
    ackWaiters: new Map(),
    source: { ...config.address, node: config.name },
    seqNo: 0,
    healthScore: 0,
    probeIndex: 0,
    probing: false,
    gossipIndex: 0,
    work: new Work(io),
    merges: 0,
    leaving: false,
    refutedAtMs: Number.NEGATIVE_INFINITY,
    accusedIncarnation: undefined,
  };
}

/** Lifeguard's awareness: how much we doubt ourselves (spec gossip §10.10). */
export function applyHealth(state: SwimState, delta: number): void {
  state.healthScore = Math.min(MAX_HEALTH_SCORE, Math.max(0, state.healthScore + delta));
}

export function nextSeqNo(state: SwimState): number {
  // Numbers only need to be different from those still waited for; the wire has 32 bits.
  state.seqNo = (state.seqNo + 1) >>> 0;
  return state.seqNo;
}

export function addressOf(member: Readonly<Member>): Address {
  return { ip: member.ip, port: member.port };
}
