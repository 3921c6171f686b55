import { encodeSwim } from '../wire/swim-encode.ts';
import { type AliveMessage, type ClaimMessage, MAX_U32 } from '../wire/swim-message.ts';
import type { Member } from './members.ts';
import { addressOf, applyHealth, type SwimState } from './state.ts';
import { confirm, type Suspicion } from './suspicion.ts';
import { GOSSIP_INTERVAL_MS, suspicionLimits, suspicionTimeoutMs } from './timing.ts';

// What nodes say about nodes (spec gossip §10.6 to §10.8): alive, suspect, dead, and our own objections.

/** More nodes than any swarm has; a peer with keys could otherwise fill memory with names. */
const MAX_MEMBERS = 32_768;
/** The protocol we and every Docker node speak. */
const PROTOCOL = 2;
/** Beyond this an incarnation could not be outbid any more without wrapping to zero. */
const LAST_INCARNATION = MAX_U32 - 1;

/** @param passOn false if everybody it could be passed on to knows already */
export function onAlive(state: SwimState, message: AliveMessage, passOn = true): void {
  if (!speaksOurProtocol(message.versions)) return;
  if (message.node === state.self.name) {
    onAliveSelf(state, message);
    return;
  }
  const known = state.members.get(message.node);
  if (known === undefined) {
    if (state.members.size >= MAX_MEMBERS) {
      state.io.fact({ kind: 'dropped', what: 'node', reason: `already ${MAX_MEMBERS} members` });
      return;
    }
    const member: Member = { ...memberOf(message), stateSinceMs: state.io.nowMs };
    state.members.add(member);
    accept(state, member, message, { isNews: true, passOn });
    return;
  }
  if (known.ip !== message.ip || known.port !== message.port) {
    // A name keeps its address until it has left: anything else is two processes under one name.
    if (known.state !== 'left') {
      const claimed = { ip: message.ip, port: message.port };
      state.io.fact({ kind: 'conflict', node: known.name, known: addressOf(known), claimed });
      return;
    }
  } else if (message.incarnation <= known.incarnation) return;
  const wasGone = known.state === 'dead' || known.state === 'left';
  if (known.state !== 'alive') {
    known.state = 'alive';
    known.stateSinceMs = state.io.nowMs;
  }
  accept(state, known, message, { isNews: wasGone, passOn });
}

export function onSuspect(state: SwimState, message: ClaimMessage): void {
  const member = state.members.get(message.node);
  if (member === undefined || message.incarnation < member.incarnation) return;
  const running = state.suspicions.get(member.name);
  if (running !== undefined) {
    const deadlineMs = confirm(running, message.from);
    if (deadlineMs === undefined) return;
    arm(state, member, running, deadlineMs);
    state.queue.put(member.name, encodeSwim(message));
    return;
  }
  if (member.state !== 'alive') return;
  if (member === state.self) {
    refute(state, message.incarnation);
    return;
  }
  state.queue.put(member.name, encodeSwim(message));
  member.incarnation = message.incarnation;
  member.state = 'suspect';
  member.stateSinceMs = state.io.nowMs;
  startSuspicion(state, member, message.from);
}

export function onDead(state: SwimState, message: ClaimMessage): void {
  const member = state.members.get(message.node);
  if (member === undefined || message.incarnation < member.incarnation) return;
  if (member === state.self) {
    if (state.leaving) return;
    refute(state, message.incarnation);
    state.delegate.declaredDead();
    return;
  }
  dropSuspicion(state, member.name);
  if (member.state === 'dead' || member.state === 'left') return;
  state.queue.put(member.name, encodeSwim(message));
  member.incarnation = message.incarnation;
  member.state = message.from === message.node ? 'left' : 'dead';
  member.stateSinceMs = state.io.nowMs;
  state.delegate.memberDown(member);
  const fact = { kind: 'peer', node: member.name, address: addressOf(member) } as const;
  state.io.fact({ ...fact, state: member.state === 'left' ? 'left' : 'down' });
}

/** Another node holds it for dead. That is only a suspicion to us: the accused gets to answer. */
export function onHeldDead(state: SwimState, message: ClaimMessage): void {
  const isNewsOfUs = message.node === state.self.name && message.incarnation >= state.self.incarnation;
  onSuspect(state, message);
  if (isNewsOfUs && !state.leaving) state.delegate.declaredDead();
}

/** Tells everybody about ourselves as we are now. */
export function announceSelf(state: SwimState): void {
  state.queue.put(state.self.name, encodeSwim(aliveOf(state.self), true));
}

export function aliveOf(member: Readonly<Member>): AliveMessage {
  const { name: node, incarnation, ip, port, meta, versions } = member;
  return { kind: 'alive', node, incarnation, ip, port, meta, versions };
}

/** True if a node with these versions understands protocol 2 and speaks something it understands itself. */
function speaksOurProtocol(versions: Uint8Array): boolean {
  const [min = 0, max = 0, current = 0] = versions;
  return min > 0 && min <= PROTOCOL && max >= PROTOCOL && current >= min && current <= max;
}

function memberOf(message: AliveMessage): Omit<Member, 'stateSinceMs'> {
  const { node: name, incarnation, ip, port, meta, versions } = message;
  return { name, incarnation, ip, port, meta, versions, state: 'alive' };
}

function accept(
  state: SwimState,
  member: Member,
  message: AliveMessage,
  { isNews, passOn }: { readonly isNews: boolean; readonly passOn: boolean },
): void {
  dropSuspicion(state, member.name);
  if (passOn) state.queue.put(member.name, encodeSwim(message));
  else state.queue.delete(member.name);
  member.incarnation = message.incarnation;
  member.ip = message.ip;
  member.port = message.port;
  member.meta = message.meta;
  member.versions = message.versions;
  if (!isNews) return;
  state.delegate.memberUp(member);
  state.io.fact({ kind: 'peer', node: member.name, address: addressOf(member), state: 'up' });
}

/** Somebody speaks in our name: an echo of ours is fine, anything else we outbid. */
function onAliveSelf(state: SwimState, message: AliveMessage): void {
  const { self } = state;
  if (state.leaving || message.incarnation < self.incarnation) return;
  const sameAddress = message.ip === self.ip && message.port === self.port;
  if (!sameAddress) {
    const claimed = { ip: message.ip, port: message.port };
    state.io.fact({ kind: 'conflict', node: self.name, known: addressOf(self), claimed });
  }
  const isEcho =
    sameAddress &&
    message.incarnation === self.incarnation &&
    Buffer.compare(message.meta, self.meta) === 0 &&
    Buffer.compare(message.versions, self.versions) === 0;
  if (!isEcho) refute(state, message.incarnation);
}

/**
 * Outbids an accusation (spec gossip §10.8), at most once a gossip round: accusations under ever higher incarnations
 * cost their sender more than us.
 */
function refute(state: SwimState, accused: number): void {
  if (state.leaving) return;
  const pending = state.accusedIncarnation;
  state.accusedIncarnation = Math.max(accused, pending ?? 0);
  if (pending !== undefined) return;
  const { io } = state;
  const dueMs = state.refutedAtMs + GOSSIP_INTERVAL_MS;
  if (dueMs <= io.nowMs) refuteNow(state);
  else io.timers.at(dueMs, () => refuteNow(state));
}

function refuteNow(state: SwimState): void {
  const accused = state.accusedIncarnation ?? 0;
  state.accusedIncarnation = undefined;
  state.refutedAtMs = state.io.nowMs;
  if (state.leaving) return;
  state.self.incarnation = Math.min(LAST_INCARNATION, Math.max(state.self.incarnation, accused) + 1);
  if (accused >= LAST_INCARNATION) state.io.fact({ kind: 'name-burned' });
  applyHealth(state, 1);
  announceSelf(state);
}

function startSuspicion(state: SwimState, member: Member, from: string): void {
  const limits = suspicionLimits(state.members.size);
  const startedMs = state.io.nowMs;
  const suspicion: Suspicion = {
    limits,
    startedMs,
    accusers: new Set([from]),
    confirmed: 0,
    timer: NEVER,
  };
  state.suspicions.set(member.name, suspicion);
  arm(state, member, suspicion, startedMs + suspicionTimeoutMs(limits, 0));
}

function arm(state: SwimState, member: Member, suspicion: Suspicion, deadlineMs: number): void {
  suspicion.timer.cancel();
  const expire = () => {
    state.suspicions.delete(member.name);
    if (member.state !== 'suspect') return;
    onDead(state, { kind: 'dead', node: member.name, incarnation: member.incarnation, from: state.self.name });
  };
  suspicion.timer = state.io.timers.at(deadlineMs, expire, true);
}

function dropSuspicion(state: SwimState, name: string): void {
  state.suspicions.get(name)?.timer.cancel();
  state.suspicions.delete(name);
}

const NEVER = { atMs: Number.POSITIVE_INFINITY, cancel: () => undefined };
