import type { Address } from '../wire/swim-message.ts';

export type ExchangeResult = { readonly ok: true } | { readonly ok: false; readonly reason: string };
/** A push/pull with one node: memberlist's part of joining. */
export type Exchange = (to: Address, join: boolean, done: (result: ExchangeResult) => void) => void;
