import type { Fact } from './io.ts';
import type { Address } from './wire/swim-message.ts';

/** How a fact is told to people: how loud, in which constant words, with which ids. */
export interface Telling {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: Readonly<Record<string, string | number>>;
}

export function tell(fact: Fact): Telling {
  switch (fact.kind) {
    case 'peer': {
      const fields = { node: fact.node, address: text(fact.address) };
      if (fact.state === 'up') return { level: 'info', message: 'gossip peer joined', fields };
      if (fact.state === 'left') return { level: 'info', message: 'gossip peer left', fields };
      return { level: 'warn', message: 'gossip peer failed', fields };
    }
    case 'conflict': {
      const fields = { node: fact.node, known: text(fact.known), claimed: text(fact.claimed) };
      const message =
        'a gossip name is claimed by another address; restart one of the two: each start draws a new name';
      return { level: 'warn', message, fields };
    }
    case 'udp-blocked': {
      const message = 'a gossip peer answers over TCP only; check that UDP 7946 is open in both directions';
      return { level: 'warn', message, fields: { node: fact.node } };
    }
    case 'resurrected':
      return { level: 'warn', message: 'gossip peers had declared this node dead; telling them otherwise', fields: {} };
    case 'name-burned':
      return {
        level: 'error',
        message: 'this gossip name cannot be defended any more; a restart draws a new one',
        fields: {},
      };
    case 'joined':
      return { level: 'info', message: 'joined the gossip cluster', fields: { peers: fact.peers } };
    case 'unreachable': {
      const mend = 'let TCP and UDP on that port through, both ways';
      const fields = { addresses: fact.addresses.map(text).join(' '), reason: fact.reason, mend };
      return { level: 'warn', message: 'no gossip peer can be reached; will keep trying', fields };
    }
    case 'dropped': {
      const message = 'gossip holds all it may and drops what is new; "netd inspect gossip" shows who sends so much';
      return { level: 'warn', message, fields: { what: fact.what, reason: fact.reason } };
    }
    case 'left':
      return { level: 'info', message: 'left the gossip cluster', fields: {} };
  }
}

/** More peers than this in one step are told of by their number: after a join that is all nodes of the cluster. */
const MAX_PEERS_TOLD = 20;
const MANY_PEERS = { up: 'gossip peers joined', left: 'gossip peers left', down: 'gossip peers failed' } as const;

/** How the facts of one step are told. */
export function tellAll(facts: readonly Fact[]): readonly Telling[] {
  const crowds = new Map<string, number>();
  for (const fact of facts) if (fact.kind === 'peer') crowds.set(fact.state, (crowds.get(fact.state) ?? 0) + 1);
  const isMany = (state: string) => (crowds.get(state) ?? 0) > MAX_PEERS_TOLD;
  const tellings = facts.filter((fact) => fact.kind !== 'peer' || !isMany(fact.state)).map(tell);
  for (const state of ['up', 'left', 'down'] as const) {
    if (!isMany(state)) continue;
    const level = state === 'down' ? 'warn' : 'info';
    tellings.push({ level, message: MANY_PEERS[state], fields: { peers: crowds.get(state) ?? 0 } });
  }
  return tellings;
}

/** How long the same news is not told again, and how much else of its kind is told meanwhile. */
const REPEAT_MS = 60_000;
const MAX_TOLD = 20;

/** Keeps a peer that floods from flooding the log: what it says again and again is told once a minute. */
export class Repeats {
  /** What was told of each kind, and until when that holds. */
  readonly #told = new Map<Fact['kind'], { readonly about: Set<string>; readonly endMs: number }>();

  isWorthTelling(fact: Fact, nowMs: number): boolean {
    const about = repeatable(fact);
    if (about === undefined) return true;
    let told = this.#told.get(fact.kind);
    if (told === undefined || told.endMs <= nowMs) {
      told = { about: new Set(), endMs: nowMs + REPEAT_MS };
      this.#told.set(fact.kind, told);
    }
    if (told.about.has(about) || told.about.size >= MAX_TOLD) return false;
    told.about.add(about);
    return true;
  }
}

/** What a fact is about, of those that a single peer can bring about as often as it likes. */
function repeatable(fact: Fact): string | undefined {
  if (fact.kind === 'conflict' || fact.kind === 'udp-blocked') return fact.node;
  if (fact.kind === 'dropped') return fact.what;
  return fact.kind === 'name-burned' ? '' : undefined;
}

export function text(address: Address): string {
  return address.ip.includes(':') ? `[${address.ip}]:${address.port}` : `${address.ip}:${address.port}`;
}
