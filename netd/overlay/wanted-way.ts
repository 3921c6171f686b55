import { addressOf, type LocalEndpoint } from './endpoint.ts';
import type { OverlayNetwork } from './network.ts';
import type { OverlayView } from './view.ts';
import type { PeerRow, Refusal, Winner } from './winners.ts';

/**
 * How one address of a network is to be reached from here, as rows and endpoints say: what `netd inspect path` holds the
 * kernel against.
 */
export interface WantedWay {
  readonly networkId: string;
  readonly name: string;
  /** File of the network's namespace. */
  readonly path: string;
  /** How the network is to look, or why it cannot be built here. */
  readonly view: OverlayView | string;
  /** The endpoint of this host that has the address. */
  readonly local: LocalEndpoint | undefined;
  /** The row of another host that counts. */
  readonly winner: Winner | undefined;
  /** Where frames to the winner's hardware address are to go: after the latest row, should several addresses share it. */
  readonly forwardTo: string | undefined;
  /** Rows for the address, the latest first, with why one is not acted upon if so. */
  readonly claims: readonly { readonly row: PeerRow; readonly refusal: Refusal | undefined }[];
  /** Why rows that vanished are not taken away yet. */
  readonly hold: string | undefined;
}

export function wantedWay(
  network: OverlayNetwork,
  path: string,
  endpoints: readonly LocalEndpoint[],
  ip: string,
): WantedWay {
  const { desired, winners, hold } = network;
  const winner = winners.winner(ip);
  return {
    networkId: desired.id,
    name: desired.name,
    path,
    view: network.view(),
    local: endpoints.find((endpoint) => endpoint.sandboxKey !== undefined && addressOf(endpoint) === ip),
    winner,
    forwardTo: winner && winners.forwarding(winner.subnet, winner.mac)?.vtep,
    claims: winners.claims(ip),
    hold: hold?.reason,
  };
}
