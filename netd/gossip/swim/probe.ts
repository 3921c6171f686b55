import { decodeSwim } from '../wire/swim-decode.ts';
import { encodeSwim } from '../wire/swim-encode.ts';
import { onSuspect } from './claims.ts';
import type { Member } from './members.ts';
import { sendParts, sendWithGossip } from './send.ts';
import { addressOf, applyHealth, nextSeqNo, type SwimState } from './state.ts';
import { DEAD_GOSSIP_MS, INDIRECT_CHECKS, PROBE_INTERVAL_MS, PROBE_TIMEOUT_MS } from './timing.ts';

/** Protocol versions from which a peer sends nacks and answers pings over TCP (spec gossip §6). */
const NACK_PROTOCOL = 4;
const TCP_PING_PROTOCOL = 3;

/** One probe at a time; a turn that comes while one is running is dropped (spec gossip §10.4). */
export function probeTick(state: SwimState): void {
  if (state.probing || state.leaving) return;
  const target = nextTarget(state);
  if (target !== undefined) probe(state, target);
}

/**
 * The next in the shuffled list that is worth a ping. At its end the long dead are forgotten, the rest is shuffled, and
 * the walk begins anew; a turn gives up after as many steps as there are members.
 */
function nextTarget(state: SwimState): Member | undefined {
  for (let considered = 0; considered <= state.members.size; considered++) {
    const member = state.members.at(state.probeIndex);
    if (member === undefined) {
      const { nowMs } = state.io;
      state.members.sweep((one) => isGone(one) && nowMs - one.stateSinceMs > DEAD_GOSSIP_MS);
      state.probeIndex = 0;
      continue;
    }
    state.probeIndex++;
    if (member !== state.self && !isGone(member)) return member;
  }
  return undefined;
}

function probe(state: SwimState, target: Member): void {
  const { io } = state;
  const seqNo = nextSeqNo(state);
  const to = addressOf(target);
  const ping = encodeSwim({ kind: 'ping', seqNo, node: target.name, source: state.source });
  const deadlineMs = io.nowMs + PROBE_INTERVAL_MS * (state.healthScore + 1);
  let expectedNacks = 0;
  let nacks = 0;
  let answeredOverTcp = false;
  state.probing = true;

  const finish = (healthDelta: number) => {
    state.probing = false;
    state.ackWaiters.delete(seqNo);
    askOthers.cancel();
    giveUp.cancel();
    applyHealth(state, healthDelta);
  };
  state.ackWaiters.set(seqNo, {
    acked: () => finish(-1),
    nacked: () => {
      nacks++;
    },
  });

  const askOthers = io.timers.at(
    io.nowMs + PROBE_TIMEOUT_MS,
    () => {
      const helpers = state.members.pick(
        INDIRECT_CHECKS,
        (member) => member.state === 'alive' && member !== state.self && member !== target,
      );
      for (const helper of helpers) {
        const nack = (helper.versions[1] ?? 0) >= NACK_PROTOCOL;
        if (nack) expectedNacks++;
        const request = {
          kind: 'indirectPing',
          seqNo,
          target: to,
          node: target.name,
          nack,
          source: state.source,
        } as const;
        sendWithGossip(state, addressOf(helper), encodeSwim(request));
      }
      if ((target.versions[1] ?? 0) < TCP_PING_PROTOCOL) return;
      const timeoutMs = Math.max(1, deadlineMs - io.nowMs);
      io.stream(
        to,
        ping,
        { wantsReply: true, timeoutMs },
        {
          done: (reply) => {
            answeredOverTcp = reply !== undefined && isAckOf(reply, seqNo);
          },
          failed: () => undefined,
        },
      );
    },
    true,
  );

  const giveUp = io.timers.at(
    deadlineMs,
    () => {
      if (answeredOverTcp) {
        finish(-1);
        io.fact({ kind: 'udp-blocked', node: target.name });
        return;
      }
      // Helpers that did not even say no make our own network the likelier culprit.
      finish(expectedNacks > 0 ? Math.max(0, expectedNacks - nacks) : 1);
      const from = state.self.name;
      onSuspect(state, { kind: 'suspect', node: target.name, incarnation: target.incarnation, from });
    },
    true,
  );

  if (target.state === 'suspect') {
    const { incarnation, name: node } = target;
    const suspect = encodeSwim({ kind: 'suspect', node, incarnation, from: state.self.name });
    sendParts(state, to, [ping, suspect], true);
  } else sendWithGossip(state, to, ping);
}

function isAckOf(reply: Buffer, seqNo: number): boolean {
  const message = decodeSwim(reply);
  return message?.kind === 'ack' && message.seqNo === seqNo;
}

function isGone(member: Member): boolean {
  return member.state === 'dead' || member.state === 'left';
}
