import { encodeSwim } from '../wire/swim-encode.ts';
import type { Address, IndirectPingMessage, PingMessage } from '../wire/swim-message.ts';
import { sendWithGossip } from './send.ts';
import { nextSeqNo, type SwimState } from './state.ts';
import { PROBE_TIMEOUT_MS } from './timing.ts';

/** Probes relayed at the same time: each lives half a second; beyond this somebody uses us to flood others. */
const MAX_RELAYS = 512;

/** True if a ping is for us: it names us, or nobody. */
export function isForUs(state: SwimState, ping: PingMessage): boolean {
  return ping.node === '' || ping.node === state.self.name;
}

export function encodeAck(seqNo: number): Buffer {
  return encodeSwim({ kind: 'ack', seqNo });
}

/** Answers to the advertised address when the ping has one, else to where it came from (spec gossip §10.5). */
export function onPing(state: SwimState, ping: PingMessage, from: Address): void {
  if (!isForUs(state, ping)) return;
  sendWithGossip(state, ping.source ?? from, encodeAck(ping.seqNo));
}

/** Pings a third node for somebody who cannot reach it. */
export function onIndirectPing(state: SwimState, request: IndirectPingMessage, from: Address): void {
  if (state.ackWaiters.size >= MAX_RELAYS) return;
  const requester = request.source ?? from;
  // A ping to ourselves would be answered by ourselves, over the network.
  if (request.target.ip === state.self.ip && request.target.port === state.self.port) return;
  const seqNo = nextSeqNo(state);
  const expiry = state.io.timers.at(state.io.nowMs + PROBE_TIMEOUT_MS, () => {
    state.ackWaiters.delete(seqNo);
    if (!request.nack) return;
    sendWithGossip(state, requester, encodeSwim({ kind: 'nack', seqNo: request.seqNo }));
  });
  state.ackWaiters.set(seqNo, {
    acked: () => {
      state.ackWaiters.delete(seqNo);
      expiry.cancel();
      sendWithGossip(state, requester, encodeAck(request.seqNo));
    },
    nacked: () => undefined,
  });
  const ping = encodeSwim({ kind: 'ping', seqNo, node: request.node, source: state.source });
  sendWithGossip(state, request.target, ping);
}
