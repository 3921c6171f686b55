import type { DesiredAttachment, DesiredNetwork, DesiredNetworks } from '../desired.ts';
import type { LocalEndpoint } from './endpoint.ts';
import type { Underlay } from './view.ts';

/** What the agent wants, with what has to be remembered of earlier wishes as long as endpoints depend on it. */
export class Wishes {
  readonly #endpointsOf: (networkId: string) => readonly LocalEndpoint[];
  /** Latest description of each network: the wish may end before the endpoints do. */
  readonly #described = new Map<string, DesiredNetwork>();
  #desired: DesiredNetworks | undefined;
  /** The VTEP, once it was seen on this host: an address that is away for a moment is no reason to rebuild anything. */
  #localVtep: string | undefined;

  constructor(endpointsOf: (networkId: string) => readonly LocalEndpoint[]) {
    this.#endpointsOf = endpointsOf;
  }

  get isKnown(): boolean {
    return this.#desired !== undefined;
  }

  get attachments(): readonly DesiredAttachment[] {
    return this.#desired?.attachments ?? [];
  }

  /** Networks described now or before. */
  get networks(): Iterable<string> {
    return this.#described.keys();
  }

  get underlay(): Underlay {
    const { vtep = '', dataPathPort = 0 } = this.#desired ?? {};
    return { vtep, dataPathPort, isLocal: this.#localVtep === vtep };
  }

  /**
   * Most wishes say of containers what others may know of them, and leave the networks as they are.
   *
   * @returns networks that are wanted otherwise than before; `all` when what all of them stand on is another
   */
  set(desired: DesiredNetworks): ReadonlySet<string> | 'all' {
    const before = this.#desired;
    const isSameGround = before?.vtep === desired.vtep && before.dataPathPort === desired.dataPathPort;
    if (before?.vtep !== desired.vtep) this.#localVtep = undefined;
    this.#desired = desired;
    const [usedBefore, used] = [usedNetworks(before), usedNetworks(desired)];
    const changed = new Set([...usedBefore, ...used].filter((id) => !usedBefore.has(id) || !used.has(id)));
    for (const network of desired.networks) {
      if (!isSame(this.#described.get(network.id), network)) changed.add(network.id);
      this.#described.set(network.id, network);
    }
    return isSameGround ? changed : 'all';
  }

  /** The VTEP was seen on this host. @returns whether that is news */
  sawVtep(): boolean {
    const isNews = this.#localVtep !== this.#desired?.vtep;
    this.#localVtep = this.#desired?.vtep;
    return isNews;
  }

  description(networkId: string): DesiredNetwork | undefined {
    return this.#described.get(networkId);
  }

  /** The network, if it is wanted here: as long as something is, or is to be, on it. */
  wanted(networkId: string): DesiredNetwork | undefined {
    const isUsed = this.attachments.some((one) => one.networkId === networkId);
    return isUsed || this.#endpointsOf(networkId).length > 0 ? this.#described.get(networkId) : undefined;
  }

  /** The network has ended here; what the agent still says of it stays known. */
  forget(networkId: string): void {
    if (!this.#desired?.networks.some(({ id }) => id === networkId)) this.#described.delete(networkId);
  }

  /** Whether some task or container is wanted at the address of an endpoint. */
  isAttached({ networkId, address }: LocalEndpoint): boolean {
    return this.attachments.some((one) => one.networkId === networkId && one.address === address);
  }
}

function usedNetworks(desired: DesiredNetworks | undefined): ReadonlySet<string> {
  return new Set(desired?.attachments.map(({ networkId }) => networkId));
}

/** Descriptions are made by one function, so their fields come in one order. */
function isSame(a: DesiredNetwork | undefined, b: DesiredNetwork): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
