/** Type bytes of memberlist messages (spec gossip §4). */
export const MESSAGE_TYPE = {
  ping: 0,
  indirectPing: 1,
  ack: 2,
  suspect: 3,
  alive: 4,
  dead: 5,
  pushPull: 6,
  compound: 7,
  user: 8,
  compress: 9,
  encrypt: 10,
  nack: 11,
  hasCrc: 12,
  err: 13,
  hasLabel: 244,
} as const;

/** Where a node can be reached: canonical IP text and port. */
export interface Address {
  readonly ip: string;
  readonly port: number;
}

/** Who asks, so that the answer can go to the advertised address rather than to wherever the datagram came from. */
export interface Source extends Address {
  readonly node: string;
}

export interface PingMessage {
  readonly kind: 'ping';
  readonly seqNo: number;
  /** The name the asker believes lives at this address; empty means "whoever is there". */
  readonly node: string;
  readonly source: Source | undefined;
}

export interface IndirectPingMessage {
  readonly kind: 'indirectPing';
  readonly seqNo: number;
  readonly target: Address;
  readonly node: string;
  /** The asker wants to hear when the target does not answer. */
  readonly nack: boolean;
  readonly source: Source | undefined;
}

export interface AliveMessage {
  readonly kind: 'alive';
  readonly node: string;
  readonly incarnation: number;
  readonly ip: string;
  readonly port: number;
  readonly meta: Uint8Array;
  /** Six bytes: protocol min, max, current, delegate min, max, current. */
  readonly versions: Uint8Array;
}

/** A claim about somebody's end. `dead` whose `from` is the node itself means "left". */
export interface ClaimMessage {
  readonly kind: 'suspect' | 'dead';
  readonly node: string;
  readonly incarnation: number;
  readonly from: string;
}

export interface AnswerMessage {
  readonly kind: 'ack' | 'nack';
  readonly seqNo: number;
}

export type SwimMessage = PingMessage | IndirectPingMessage | AnswerMessage | AliveMessage | ClaimMessage;

/** What Docker always says of itself: speaks protocol 2, understands 1 to 5, no delegate protocol. */
export const DOCKER_VERSIONS: Uint8Array = Buffer.from([1, 5, 2, 0, 0, 0]);
export const VERSIONS_BYTES = 6;
export const NO_META: Uint8Array = Buffer.alloc(0);

export const MAX_U32 = 0xffff_ffff;
