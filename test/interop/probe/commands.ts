import type { Endpoint, OverlayPeer } from '#netd/gossip/records.ts';
import type { NetworkSnapshot } from '#netd/gossip/tables.ts';
import type { GossipView } from '#netd/gossip/view.ts';

/** What a probe is started with: one JSON value on its command line. */
export interface ProbeConfig {
  /** Where it takes commands: a unix socket; one line of JSON each way for each connection. */
  readonly socketPath: string;
  /** Keeps the identity, so that a probe started again is the same node of the swarm (and another of the gossip). */
  readonly stateDir: string;
  readonly hostname: string;
  /** Of the manager, `HOST:PORT`. */
  readonly managerAddress: string;
  readonly token: string;
  readonly advertiseIp: string;
}

interface OfNetwork {
  readonly network: string;
}

interface OfRow extends OfNetwork {
  readonly id: string;
}

/** Commands a probe takes, and what it answers. */
export interface ProbeCommands {
  attach: { readonly asks: OfNetwork; readonly answer: null };
  detach: { readonly asks: OfNetwork; readonly answer: null };
  publishEndpoint: { readonly asks: OfRow & { readonly endpoint: Endpoint }; readonly answer: null };
  publishPeer: { readonly asks: OfRow & { readonly peer: OverlayPeer }; readonly answer: null };
  withdrawEndpoint: { readonly asks: OfRow; readonly answer: null };
  withdrawPeer: { readonly asks: OfRow; readonly answer: null };
  snapshot: { readonly asks: OfNetwork; readonly answer: NetworkSnapshot | null };
  /** Every change of a row of that network so far, in order. */
  changes: { readonly asks: OfNetwork; readonly answer: readonly ChangeSeen[] };
  view: { readonly asks: Readonly<Record<never, never>>; readonly answer: GossipView };
  /** Answers when everybody has been told; the process ends after it. */
  leave: { readonly asks: Readonly<Record<never, never>>; readonly answer: null };
}

export type CommandName = keyof ProbeCommands;
export type Command = { [N in CommandName]: { readonly command: N } & ProbeCommands[N]['asks'] }[CommandName];
export type Answer<N extends CommandName> = ProbeCommands[N]['answer'];

/** A row that came, changed or went; `gone` is what stood there last. */
export interface ChangeSeen {
  readonly table: string;
  readonly key: string;
  readonly kind: 'came' | 'changed' | 'gone';
  /** Of an endpoint row: it is on its way out. */
  readonly disabled: boolean;
}

export type Outcome = { readonly ok: true; readonly answer: unknown } | { readonly ok: false; readonly error: string };
