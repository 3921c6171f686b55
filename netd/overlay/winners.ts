import type { OverlayPeer } from '../gossip/records.ts';
import { isUnicastMac } from './mac.ts';
import { type Cidr, ipv4Number, subnetIndex } from './subnets.ts';

/** A row of `overlay_peer_table` as gossip has it. */
export interface PeerRow {
  /** Endpoint id. */
  readonly key: string;
  /** Gossip name of the node that speaks. */
  readonly owner: string;
  /** Table clock of the row. */
  readonly time: bigint;
  readonly value: OverlayPeer;
}

/** Why a row is kept, but not acted upon. */
export type Refusal =
  /** It is ours, or was in an earlier life. */
  | 'own-vtep'
  /** It claims an address that an endpoint, a gateway or the load balancer of this node has. */
  | 'local-address'
  | 'outside-subnets'
  /** Not IPv4, or its VTEP is of the other family than ours. */
  | 'wrong-family'
  /** Group address or zero. */
  | 'bad-mac'
  /** A VTEP nobody can have. */
  | 'bad-vtep';

/** Where a remote address is to be found. */
export interface Winner {
  readonly ip: string;
  readonly subnet: number;
  readonly mac: string;
  readonly vtep: string;
  readonly row: PeerRow;
}

/** What of our side decides about rows. */
export interface Ground {
  readonly subnets: readonly Cidr[];
  readonly vtep: string;
  /** Addresses without prefix length: of endpoints here, gateways, the load balancer. */
  readonly local: ReadonlySet<string>;
}

/**
 * The remote addresses of one network, each with the one row that counts (spec dataplane §2.3): the latest by the table
 * clock, ties by the owner's name, then by key. Every change costs only what it touches, also among ten thousand rows.
 */
export class Winners {
  #ground: Ground;
  readonly #rows = new Map<string, PeerRow>();
  readonly #byIp = new Map<string, PeerRow[]>();
  readonly #refused = new Map<string, Refusal>();
  readonly #winners = new Map<string, Winner>();
  /** Winners of each subnet by hardware address: the forwarding table knows only those. Mostly one, and the latest first. */
  readonly #byMac: Map<string, Winner[]>[] = [];
  readonly #contested = new Set<string>();
  /** Keys of rows whose nodes are gone, with the moment that was: any other claim to their addresses counts more. */
  readonly #lost = new Map<string, number>();

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  /** Rows known, whether they count or not. */
  get rows(): number {
    return this.#rows.size;
  }

  /** Rows of other hosts, whether they count or not. One look at every row that does not: for people, not for passes. */
  othersRows(): number {
    let own = 0;
    for (const reason of this.#refused.values()) if (reason === 'own-vtep') own += 1;
    return this.#rows.size - own;
  }

  /** Remote addresses. */
  get size(): number {
    return this.#winners.size;
  }

  /** A row appeared or changed. @returns addresses whose winner may be another now */
  put(row: PeerRow): string[] {
    const before = this.#rows.get(row.key);
    this.#rows.set(row.key, row);
    this.#lost.delete(row.key);
    if (before === undefined || before.value.ip === row.value.ip) {
      this.#list(row, before);
      this.#decide(row.value.ip);
      return [row.value.ip];
    }
    this.#unlist(before);
    this.#list(row, undefined);
    this.#decide(before.value.ip);
    this.#decide(row.value.ip);
    return [before.value.ip, row.value.ip];
  }

  /** A row vanished. @returns addresses whose winner may be another now */
  remove(key: string): string[] {
    const row = this.#rows.get(key);
    if (row === undefined) return [];
    this.#rows.delete(key);
    this.#lost.delete(key);
    this.#refused.delete(key);
    this.#unlist(row);
    this.#decide(row.value.ip);
    return [row.value.ip];
  }

  /**
   * The node of a row is gone and did not take it back. Its packets may well go on: rows too many cost nothing, so it stays
   * until it is forgotten. @returns addresses whose winner may be another now
   */
  lose(key: string, nowMs: number): string[] {
    const row = this.#rows.get(key);
    if (row === undefined) return [];
    this.#lost.set(key, nowMs);
    this.#decide(row.value.ip);
    return [row.value.ip];
  }

  /** Forgets the rows that were lost until that moment. @returns addresses whose winner may be another now */
  forgetLost(untilMs: number): string[] {
    return [...this.#lost].flatMap(([key, lostMs]) => (lostMs <= untilMs ? this.remove(key) : []));
  }

  /** Our side changed. @returns addresses whose winner may be another now */
  setGround(ground: Ground): string[] {
    const before = this.#ground;
    this.#ground = ground;
    const sameRules = before.vtep === ground.vtep && sameSubnets(before.subnets, ground.subnets);
    const touched = sameRules ? onlyInOne(before.local, ground.local) : [...this.#byIp.keys()];
    for (const ip of touched) this.#decide(ip);
    return touched;
  }

  winner(ip: string): Winner | undefined {
    return this.#winners.get(ip);
  }

  winners(): Iterable<Winner> {
    return this.#winners.values();
  }

  /** Where frames to a hardware address go: after the latest row, should several addresses share it. */
  forwarding(subnet: number, mac: string): Winner | undefined {
    return this.#byMac[subnet]?.get(mac)?.[0];
  }

  /** Rows not acted upon, with the reason. */
  refused(): ReadonlyMap<string, Refusal> {
    return this.#refused;
  }

  /** Every row for an address, the latest first, with why it is not acted upon if so. */
  claims(ip: string): { readonly row: PeerRow; readonly refusal: Refusal | undefined }[] {
    const rows = this.#byIp.get(ip)?.toSorted(byLatest) ?? [];
    return rows.map((row) => ({ row, refusal: this.#refused.get(row.key) }));
  }

  row(key: string): PeerRow | undefined {
    return this.#rows.get(key);
  }

  /** Addresses that several hosts claim, this one perhaps among them; the claims of others, winner first. */
  contested(): { readonly ip: string; readonly rows: readonly PeerRow[] }[] {
    return [...this.#contested].map((ip) => ({ ip, rows: this.#byIp.get(ip)?.toSorted(byLatest) ?? [] }));
  }

  #isBetter(a: PeerRow, b: PeerRow): boolean {
    const [isLostA, isLostB] = [this.#lost.has(a.key), this.#lost.has(b.key)];
    return isLostA === isLostB ? isLater(a, b) : isLostB;
  }

  #list(row: PeerRow, before: PeerRow | undefined): void {
    const rows = this.#byIp.get(row.value.ip);
    if (rows === undefined) this.#byIp.set(row.value.ip, [row]);
    else if (before === undefined) rows.push(row);
    else rows.splice(rows.indexOf(before), 1, row);
  }

  #unlist(row: PeerRow): void {
    const rows = this.#byIp.get(row.value.ip);
    if (rows === undefined) return;
    rows.splice(rows.indexOf(row), 1);
    if (rows.length === 0) this.#byIp.delete(row.value.ip);
  }

  /** Chooses anew among the rows of one address. */
  #decide(ip: string): void {
    const before = this.#winners.get(ip);
    if (before !== undefined) this.#forgetMac(before);
    this.#winners.delete(ip);
    this.#contested.delete(ip);
    let winner: Winner | undefined;
    const claims = new Set<string>();
    for (const row of this.#byIp.get(ip) ?? []) {
      const judged = judge(row, this.#ground);
      if ('refusal' in judged) {
        this.#refused.set(row.key, judged.refusal);
        const isClaim = judged.refusal === 'local-address' && !this.#lost.has(row.key);
        if (isClaim) claims.add(this.#ground.vtep).add(row.value.tunnelIp);
        continue;
      }
      this.#refused.delete(row.key);
      if (!this.#lost.has(row.key)) claims.add(row.value.tunnelIp);
      if (winner !== undefined && !this.#isBetter(row, winner.row)) continue;
      winner = { ip, subnet: judged.subnet, mac: row.value.mac, vtep: row.value.tunnelIp, row };
    }
    if (claims.size > 1) this.#contested.add(ip);
    if (winner === undefined) return;
    this.#winners.set(ip, winner);
    this.#noteMac(winner);
  }

  #noteMac(winner: Winner): void {
    const { subnet, mac } = winner;
    this.#byMac[subnet] ??= new Map();
    const sharers = this.#byMac[subnet].get(mac);
    if (sharers === undefined) {
      this.#byMac[subnet].set(mac, [winner]);
      return;
    }
    const before = sharers.findIndex(({ row }) => isLater(winner.row, row));
    sharers.splice(before < 0 ? sharers.length : before, 0, winner);
  }

  #forgetMac(winner: Winner): void {
    const { subnet, mac } = winner;
    const sharers = this.#byMac[subnet]?.get(mac) ?? [];
    sharers.splice(sharers.indexOf(winner), 1);
    if (sharers.length === 0) this.#byMac[subnet]?.delete(mac);
  }
}

function judge(row: PeerRow, ground: Ground): { readonly subnet: number } | { readonly refusal: Refusal } {
  const { ip, prefixLength, mac, tunnelIp } = row.value;
  if (tunnelIp === ground.vtep) return { refusal: 'own-vtep' };
  const address = ipv4Number(ip);
  if (address === undefined || tunnelIp.includes(':') !== ground.vtep.includes(':')) return { refusal: 'wrong-family' };
  if (isNobodys(tunnelIp)) return { refusal: 'bad-vtep' };
  if (!isUnicastMac(mac)) return { refusal: 'bad-mac' };
  const subnet = subnetIndex(ground.subnets, address, prefixLength);
  if (subnet === undefined) return { refusal: 'outside-subnets' };
  if (ground.local.has(ip)) return { refusal: 'local-address' };
  return { subnet };
}

/** Unspecified, loopback, multicast and broadcast addresses are no host's VTEP. */
function isNobodys(ip: string): boolean {
  if (ip.includes(':')) return ip === '::' || ip === '::1' || /^ff/i.test(ip);
  const first = (ipv4Number(ip) ?? 0) >>> 24;
  return first === 0 || first === 127 || first >= 224;
}

function isLater(a: PeerRow, b: PeerRow): boolean {
  return byLatest(a, b) < 0;
}

/** Any order will do for ties, as long as it is the same one on every look. */
function byLatest(a: PeerRow, b: PeerRow): number {
  if (a.time !== b.time) return a.time > b.time ? -1 : 1;
  if (a.owner !== b.owner) return a.owner < b.owner ? -1 : 1;
  return a.key < b.key ? -1 : 1;
}

function onlyInOne(a: ReadonlySet<string>, b: ReadonlySet<string>): string[] {
  return [...[...a].filter((one) => !b.has(one)), ...[...b].filter((one) => !a.has(one))];
}

function sameSubnets(a: readonly Cidr[], b: readonly Cidr[]): boolean {
  return a.length === b.length && a.every((one, i) => one.address === b[i]?.address && one.length === b[i]?.length);
}
