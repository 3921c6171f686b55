import { DecodeError } from '../wire/decode-error.ts';
import { decodePushPull, encodePushPull, type NodeEntry } from '../wire/push-pull.ts';
import { decodeErr } from '../wire/swim-decode.ts';
import { type Address, MESSAGE_TYPE } from '../wire/swim-message.ts';
import { onAlive, onDead, onSuspect } from './claims.ts';
import { addressOf, type SwimState } from './state.ts';
import { STREAM_TIMEOUT_MS } from './timing.ts';

// Two nodes tell each other everything over one stream (spec gossip §8.3, §10.12, §10.13).

/** Everything we know, as a message. `join` makes NetworkDB stamp our attachments anew. */
export function localState(state: SwimState, join: boolean): Buffer {
  const nodes: NodeEntry[] = [...state.members];
  return encodePushPull({ join, nodes, userState: state.delegate.localState(join) }, state.self.name);
}

/** Exchanges states with one node; `done` hears whether it worked. */
export function exchange(
  state: SwimState,
  to: Address,
  join: boolean,
  done: (result: { readonly ok: true } | { readonly ok: false; readonly reason: string }) => void,
): void {
  const options = { wantsReply: true, timeoutMs: STREAM_TIMEOUT_MS };
  state.io.stream(to, localState(state, join), options, {
    failed: (reason) => done({ ok: false, reason }),
    done: (reply) => {
      const problem = reply === undefined ? 'no reply' : merge(state, reply);
      done(problem === undefined ? { ok: true } : { ok: false, reason: problem });
    },
  });
}

/** One random live node, so that what gossip missed arrives in the end. */
export function pushPullTick(state: SwimState): void {
  const [peer] = state.members.pick(1, (member) => member.state === 'alive' && member !== state.self);
  if (peer !== undefined) exchange(state, addressOf(peer), false, () => undefined);
}

/** Answers a push/pull: our state goes out before theirs is merged. */
export function servePushPull(state: SwimState, id: number, message: Buffer): void {
  const remote = decodePushPull(message);
  state.io.reply(id, localState(state, remote.join));
  mergeNodes(state, remote.nodes);
  state.delegate.mergeState(remote.userState);
}

/** Merges a reply; returns what is wrong with it, if anything. */
function merge(state: SwimState, reply: Buffer): string | undefined {
  try {
    if (reply[0] === MESSAGE_TYPE.err) return decodeErr(reply);
    if (reply[0] !== MESSAGE_TYPE.pushPull) return `answered with message type ${reply[0]}`;
    const remote = decodePushPull(reply);
    mergeNodes(state, remote.nodes);
    state.delegate.mergeState(remote.userState);
    return undefined;
  } catch (error) {
    if (error instanceof DecodeError) return error.message;
    throw error;
  }
}

/** What another node believes. Its "dead" is only a suspicion to us: the accused gets to answer. */
function mergeNodes(state: SwimState, nodes: readonly NodeEntry[]): void {
  for (const entry of nodes) {
    const { name: node, incarnation } = entry;
    if (entry.state === 'alive') {
      const { ip, port, meta, versions } = entry;
      onAlive(state, { kind: 'alive', node, incarnation, ip, port, meta, versions });
    } else if (entry.state === 'left') onDead(state, { kind: 'dead', node, incarnation, from: node });
    else onSuspect(state, { kind: 'suspect', node, incarnation, from: state.self.name });
  }
}
