import { errorText } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import type { Tables } from '../gossip/tables.ts';
import { type OwnRowOp, type OwnRows, planOwnRows } from './own-rows.ts';

/** What overlays need of the gossip. */
export type OverlayTables = Pick<
  Tables,
  | 'attach'
  | 'detach'
  | 'publishPeer'
  | 'withdrawPeer'
  | 'publishEndpoint'
  | 'withdrawEndpoint'
  | 'snapshot'
  | 'standing'
  | 'watch'
>;

/** Says to the others what this node has. What was said dies with the gossip it was said in: the next one is told anew. */
export class Publisher {
  readonly #logger: Logger;
  #tables: OverlayTables | undefined;
  #said: ReadonlyMap<string, OwnRows> = new Map();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  get tables(): OverlayTables | undefined {
    return this.#tables;
  }

  setTables(tables: OverlayTables | undefined): void {
    this.#tables = tables;
    this.#said = new Map();
  }

  said(networkId: string): OwnRows | undefined {
    return this.#said.get(networkId);
  }

  /**
   * Brings what is said to what is wanted.
   *
   * @returns networks that were attached by this
   */
  publish(wanted: ReadonlyMap<string, OwnRows>): string[] {
    const tables = this.#tables;
    if (tables === undefined) return [];
    const attached: string[] = [];
    for (const op of planOwnRows(wanted, this.#said)) {
      try {
        say(tables, op);
        if (op.kind === 'attach') attached.push(op.network);
      } catch (error) {
        // A name or an id that peers could not take: the rest is said all the same.
        this.#logger.error({ op: op.kind, network: op.network, reason: errorText(error) }, 'row was not published');
      }
    }
    this.#said = wanted;
    return attached;
  }
}

function say(tables: OverlayTables, op: OwnRowOp): void {
  switch (op.kind) {
    case 'attach':
      tables.attach(op.network);
      return;
    case 'detach':
      tables.detach(op.network);
      return;
    case 'publish-peer':
      tables.publishPeer(op.network, op.id, op.peer);
      return;
    case 'withdraw-peer':
      tables.withdrawPeer(op.network, op.id);
      return;
    case 'publish-endpoint':
      tables.publishEndpoint(op.network, op.id, op.endpoint);
      return;
    case 'withdraw-endpoint':
      tables.withdrawEndpoint(op.network, op.id);
      return;
  }
}
