import { DecodeError } from '../wire/decode-error.ts';
import { encodePushPullSteps, type NodeEntry, type PushPullReader, readPushPull } from '../wire/push-pull.ts';
import { decodeErr } from '../wire/swim-decode.ts';
import { type Address, MESSAGE_TYPE } from '../wire/swim-message.ts';
import { onAlive, onDead, onHeldDead, onSuspect } from './claims.ts';
import { addressOf, type SwimState } from './state.ts';
import { STREAM_TIMEOUT_MS } from './timing.ts';

// Two nodes tell each other everything over one stream (spec gossip §8.3, §10.12, §10.13).

/** Nodes merged before others get a turn: a few milliseconds of work, where it is seldom done and slow. */
const MERGE_SLICE = 250;
/** Large states being merged at a time; what one more would tell comes with the next push/pull. */
const MAX_MERGES = 4;

/** Everything we know, as a message. `join` makes NetworkDB stamp our attachments anew. */
export function* localState(state: SwimState, join: boolean): Generator<void, Buffer> {
  const userState = yield* state.delegate.localState(join);
  const nodes: NodeEntry[] = [...state.members];
  return yield* encodePushPullSteps({ join, nodes, userState }, state.self.name);
}

type Result = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/**
 * Exchanges states with one node; `done` hears whether it worked. What comes when we know nobody is news to us alone: passed on,
 * the five thousand members of a large cluster would be eight minutes of full packets.
 */
export function exchange(state: SwimState, to: Address, join: boolean, done: (result: Result) => void): void {
  const passOn = state.members.size > 1;
  const options = { wantsReply: true, timeoutMs: STREAM_TIMEOUT_MS };
  const fail = (reason: string) => done({ ok: false, reason });
  const told = (message: Buffer) =>
    state.io.stream(to, message, options, {
      failed: fail,
      done: (reply) => {
        if (reply === undefined) fail('no reply');
        else orReason(() => merge(state, decodeReply(reply), passOn, done), fail);
      },
    });
  state.work.run(localState(state, join), told, (error) => fail(error.message));
}

/** One random live node, so that what gossip missed arrives in the end. */
export function pushPullTick(state: SwimState): void {
  const [peer] = state.members.pick(1, (member) => member.state === 'alive' && member !== state.self);
  if (peer !== undefined) exchange(state, addressOf(peer), false, () => undefined);
}

/** Answers a push/pull: our state goes out before theirs is merged. Throws DecodeError. */
export function servePushPull(state: SwimState, id: number, message: Buffer): void {
  const remote = opened(message);
  const told = (reply: Buffer) => {
    state.io.reply(id, reply);
    merge(state, remote, true, (result) => {
      if (!result.ok) throw new DecodeError(result.reason);
    });
  };
  const failed = (error: DecodeError) => {
    throw error;
  };
  state.io.owe(id);
  state.work.run(localState(state, remote.join), told, failed);
}

function decodeReply(reply: Buffer): PushPullReader {
  if (reply[0] === MESSAGE_TYPE.err) throw new DecodeError(decodeErr(reply));
  if (reply[0] !== MESSAGE_TYPE.pushPull) throw new DecodeError(`answered with message type ${reply[0]}`);
  return opened(reply);
}

/** A small state is read to its end first: one that is cut short is neither answered nor merged in part. */
function opened(message: Buffer): PushPullReader {
  const remote = readPushPull(message);
  if (remote.announced > MERGE_SLICE) return remote;
  while (!remote.content.next().done);
  return readPushPull(message);
}

/**
 * Merges a state: at once if it is small, else in turns, so that neither pings nor our own timers wait for thousands of
 * nodes.
 */
function merge(state: SwimState, remote: PushPullReader, passOn: boolean, done: (result: Result) => void): void {
  const isLarge = remote.announced > MERGE_SLICE;
  if (isLarge && state.merges >= MAX_MERGES) {
    done({ ok: false, reason: 'too many states are being merged' });
    return;
  }
  state.merges++;
  const end = (result: Result) => {
    state.merges--;
    done(result);
  };
  state.work.run(
    mergeSteps(state, remote.content, passOn),
    () => end({ ok: true }),
    (error) => end({ ok: false, reason: error.message }),
  );
}

function* mergeSteps(state: SwimState, content: PushPullReader['content'], passOn: boolean): Generator<void, void> {
  for (let merged = 1; ; merged++) {
    const next = content.next();
    if (next.done) {
      if (merged > MERGE_SLICE) yield;
      // Attachments come after the nodes: those of strangers are not kept.
      yield* state.delegate.mergeState(next.value);
      return;
    }
    mergeNode(state, next.value, passOn);
    if (merged % MERGE_SLICE === 0) yield;
  }
}

/** Runs `run`; what it refuses to read becomes a reason. */
function orReason(run: () => void, fail: (reason: string) => void): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    fail(error.message);
  }
}

/** What another node believes. */
function mergeNode(state: SwimState, entry: NodeEntry, passOn: boolean): void {
  const { name: node, incarnation } = entry;
  if (entry.state === 'alive') {
    const { ip, port, meta, versions } = entry;
    onAlive(state, { kind: 'alive', node, incarnation, ip, port, meta, versions }, passOn);
  } else if (entry.state === 'left') onDead(state, { kind: 'dead', node, incarnation, from: node });
  else {
    const claim = { kind: 'suspect', node, incarnation, from: state.self.name } as const;
    if (entry.state === 'dead') onHeldDead(state, claim);
    else onSuspect(state, claim);
  }
}
