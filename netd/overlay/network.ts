import type { Clock } from '#base/clock.ts';
import { errorText } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import type { DesiredNetwork } from '../desired.ts';
import type { NetworkStanding } from '../gossip/tables.ts';
import type { KernelEvent } from '../kernel/netlink/event.ts';
import { apply } from './apply.ts';
import { checkHost, type Finding, type HostFacts } from './checks.ts';
import type { DriftLog } from './drift.ts';
import type { LocalEndpoint } from './endpoint.ts';
import { type Settled, settledOf, unexplained } from './explain.ts';
import { HOLD_MS, type Hold, nextHold } from './hold.ts';
import type { Host } from './host.ts';
import { KernelRows } from './kernel-rows.ts';
import { Namespace } from './namespace.ts';
import { observe, observeRows } from './observe.ts';
import { isOtherDevice, type KernelRow, type ObservedNamespace } from './observed.ts';
import { isDestructive, type OverlayOp, opText } from './op.ts';
import { judgeFailures, type PassRecord } from './pass-record.ts';
import { planNetwork, planRows, type Wanted } from './plan.ts';
import type { Scene } from './scene.ts';
import { parseCidr } from './subnets.ts';
import { sweepRows } from './sweep-rows.ts';
import { localAddresses, type OverlayView, type Underlay, viewOf } from './view.ts';
import { type PeerRow, Winners } from './winners.ts';

export interface NetworkDeps {
  readonly host: Host;
  /** File of the network's namespace. */
  readonly path: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly drift: DriftLog;
  readonly underlay: () => Underlay;
  /** Endpoints of this network. */
  readonly endpoints: () => readonly LocalEndpoint[];
  /** What gossip knows of this network; undefined while there is no gossip. */
  readonly standing: () => NetworkStanding | undefined;
  /** The kernel told of a change in the namespace. */
  readonly told: (event: KernelEvent | 'overrun') => void;
}

/** One overlay network of this node: what is known of it, and its passes. */
export class OverlayNetwork {
  readonly #deps: NetworkDeps;
  readonly #scene: Scene;
  #desired: DesiredNetwork;
  #winners: Winners;
  #hold: Hold | undefined = undefined;
  #rowsBefore = 0;
  /** What the next pass has to do besides: look at links; compare all rows with what is believed; look at all rows first. */
  #isLinksDue = true;
  #isAllDue = true;
  #isRowsDue = true;
  #dirty = new Set<string>();
  #settled: Settled | undefined;
  #refusal: string | undefined;
  #last: PassRecord | undefined;
  #adoption: { readonly repairs: number; readonly destructive: number } | undefined;
  #observed: ObservedNamespace | undefined;
  #names: ReadonlyMap<number, string> = new Map();
  /** Names of the vxlan devices, by subnet. */
  #vxlans: readonly string[] = [];
  #portFailures: ReadonlyMap<string, string> = new Map();
  #findings: readonly Finding[] = [];

  constructor(deps: NetworkDeps, desired: DesiredNetwork) {
    this.#deps = deps;
    this.#desired = desired;
    const nothing = { namespace: undefined, indexes: new Map(), rows: new KernelRows() };
    this.#scene = { host: deps.host, path: deps.path, ...nothing };
    this.#winners = new Winners(this.#ground());
    // What an earlier life left is not judged before gossip has been heard.
    this.#hold = { reason: 'no-gossip', sinceMs: deps.clock.monotonicMs() };
  }

  get desired(): DesiredNetwork {
    return this.#desired;
  }

  get winners(): Winners {
    return this.#winners;
  }

  get hold(): Hold | undefined {
    return this.#hold;
  }

  /** Why it is not built, in words. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  get last(): PassRecord | undefined {
    return this.#last;
  }

  /** What the first pass found to do on what an earlier life had left; undefined if there was nothing left. */
  get adoption(): { readonly repairs: number; readonly destructive: number } | undefined {
    return this.#adoption;
  }

  get findings(): readonly Finding[] {
    return this.#findings;
  }

  get observed(): ObservedNamespace | undefined {
    return this.#observed;
  }

  get rows(): KernelRows {
    return this.#scene.rows;
  }

  get namespace(): Namespace | undefined {
    return this.#scene.namespace;
  }

  view(): OverlayView | string {
    return viewOf(this.#desired, this.#deps.endpoints(), this.#deps.underlay());
  }

  /** New wishes, endpoints or addresses of ours. */
  refresh(desired: DesiredNetwork = this.#desired): void {
    this.#desired = desired;
    for (const ip of this.#winners.setGround(this.#ground())) this.#dirty.add(ip);
    this.#isLinksDue = true;
  }

  /** Links are to be compared with the kernel, and all rows with what is believed of it; `sweep` sees to the belief. */
  demandAll(): void {
    this.#isAllDue = true;
  }

  demandLinks(): void {
    this.#isLinksDue = true;
  }

  putRow(row: PeerRow): void {
    for (const ip of this.#winners.put(row)) this.#dirty.add(ip);
  }

  removeRow(key: string): void {
    for (const ip of this.#winners.remove(key)) this.#dirty.add(ip);
  }

  /** The node of the row is gone, and what the row tells of may go on without it. */
  loseRow(key: string): void {
    for (const ip of this.#winners.lose(key, this.#deps.clock.monotonicMs())) this.#dirty.add(ip);
  }

  /** Gives up what was lost long ago. @returns whether anything was */
  forgetLost(): boolean {
    const forgotten = this.#winners.forgetLost(this.#deps.clock.monotonicMs() - HOLD_MS);
    for (const ip of forgotten) this.#dirty.add(ip);
    // They were held for long enough: this is not all others vanishing at once.
    if (forgotten.length > 0) this.#rowsBefore = this.#winners.size;
    return forgotten.length > 0;
  }

  /** Another gossip, with other rows: all that was known by the old one is forgotten, but not undone yet. */
  replaceRows(rows: readonly PeerRow[]): void {
    for (const { ip } of this.#winners.winners()) this.#dirty.add(ip);
    this.#winners = new Winners(this.#ground());
    for (const row of rows) this.putRow(row);
    this.#rowsBefore = 0;
    this.#isAllDue = true;
  }

  /** Whether time alone may change what is held. */
  isHoldOver(): boolean {
    return this.#hold !== undefined && this.#nextHold() !== this.#hold;
  }

  /** Why the endpoint is not on the network, after the last pass; undefined if it is. */
  failureOf(endpointId: string): string | undefined {
    return this.#last?.linkFailure ?? this.#portFailures.get(endpointId);
  }

  /** Name of a link that the last look found. */
  linkOf(index: number): string | undefined {
    return this.#names.get(index);
  }

  /** Whether a row of one of our devices, of which the kernel told, says what we want. */
  isAsWanted(link: string, row: KernelRow): boolean {
    const subnet = this.#vxlans.indexOf(link);
    if (subnet < 0) return true;
    const isThere = !row.isGone && row.isStatic;
    if (row.kind === 'neighbour') {
      const winner = row.ip === undefined ? undefined : this.#winners.winner(row.ip);
      return winner?.subnet === subnet ? isThere && winner.mac === row.mac : !isThere;
    }
    const wanted = row.mac === undefined ? undefined : this.#winners.forwarding(subnet, row.mac)?.vtep;
    return wanted === undefined ? !isThere : isThere && wanted === row.vtep;
  }

  /** Compares the network with the host around it. */
  check(facts: HostFacts): void {
    const view = this.view();
    this.#findings = typeof view === 'string' ? [] : checkHost(view, facts, this.#deps.underlay());
  }

  /**
   * Observe, plan, apply, record. Never throws for what the kernel refuses.
   *
   * @param applied called when all is done but a last look at what has come of it: `failureOf` is right from then on
   */
  async pass(applied: () => void = () => {}): Promise<void> {
    const startMs = this.#deps.clock.monotonicMs();
    const view = this.view();
    this.#refusal = typeof view === 'string' ? view : undefined;
    if (typeof view === 'string') return;
    const isRows = this.#isRowsDue;
    // What was held goes all at once, and no event tells of it.
    let isAll = isRows || this.#isAllDue || this.isHoldOver();
    const isLinks = isAll || this.#isLinksDue;
    if (!isLinks && this.#dirty.size === 0) return;
    this.#isLinksDue = false;
    this.#isAllDue = false;
    this.#isRowsDue = false;
    this.#vxlans = view.segments.map(({ vxlan }) => vxlan.name);
    try {
      const before = this.#observed;
      if (isLinks) this.#observed = await this.#look();
      if (this.#observed !== undefined && (isRows || isOtherDevice(this.#vxlans, before, this.#observed))) {
        isAll = true;
        await this.#lookAtRows(this.#observed);
      }
      const { ops, isExpected } = this.#plan(view, isLinks, isAll);
      const failures = await apply(this.#scene, ops);
      this.#record(view, ops, failures, startMs);
      this.#recordDrift(view, ops, failures, isAll, isExpected);
      applied();
      if (isLinks && ops.length > 0) this.#observed = await this.#look();
    } catch (error) {
      // The kernel did not answer, or lost answers: what there is must be looked at again.
      this.#isRowsDue = true;
      const reason = errorText(error);
      this.#deps.logger.warn({ err: error }, 'overlay pass failed');
      this.#last = { ...this.#base(startMs, 0), failures: [{ op: 'observe', reason }], linkFailure: reason };
    }
  }

  /**
   * Compares what is believed of the rows with the kernel, beside the passes: a change need not wait for ten thousand rows.
   *
   * @returns whether they differ: a pass is then due
   * @throws KernelError
   */
  async sweep(): Promise<boolean> {
    const { namespace, rows } = this.#scene;
    // Before there is a belief, or when it was given up, the next pass looks for itself.
    if (namespace === undefined || this.#isRowsDue) return false;
    const devices = [...rows.devices].flatMap((name) => this.#observed?.links.get(name) ?? []);
    if (await sweepRows(namespace.observer, rows, devices)) return false;
    this.demandAll();
    return true;
  }

  /**
   * Nothing here waits: rows may vanish at any moment, and whether those that vanished are to be taken away is decided
   * with the same rows in view.
   */
  #plan(view: OverlayView, isLinks: boolean, isAll: boolean) {
    const wasHeld = this.#hold !== undefined;
    const hold = this.#nextHold();
    const isReleased = wasHeld && hold === undefined;
    // A hold that ended since the pass began is for the next one, which looks at all rows.
    if (!isReleased || isAll) this.#hold = hold;
    const dirty = this.#dirty;
    this.#dirty = new Set();
    this.#rowsBefore = this.#winners.size;
    const wanted = this.#wanted(view);
    const { rows } = this.#scene;
    const ops = isLinks
      ? planNetwork(wanted, this.#observed, rows, isAll ? 'all' : dirty)
      : planRows(wanted, rows, dirty);
    if (!isAll || isReleased) return { ops, isExpected: () => true };
    const expected = new Set(planRows(wanted, rows, dirty).map(opText));
    return { ops, isExpected: (op: OverlayOp) => expected.has(opText(op)) };
  }

  /** Lets go of the network and leaves everything as it is. */
  close(): void {
    this.#scene.namespace?.[Symbol.dispose]();
    this.#scene.namespace = undefined;
  }

  async #look(): Promise<ObservedNamespace | undefined> {
    this.#scene.namespace ??= Namespace.find(this.#deps.path);
    if (this.#scene.namespace === undefined) return undefined;
    this.#scene.namespace.listen(this.#deps.told);
    const observed = await observe(this.#scene.namespace);
    this.#names = new Map([...observed.links.values()].map(({ index, name }) => [index, name]));
    this.#scene.indexes = new Map([...this.#names].map(([index, name]) => [name, index]));
    return observed;
  }

  async #lookAtRows(observed: ObservedNamespace): Promise<void> {
    const { namespace } = this.#scene;
    if (namespace === undefined) return;
    const devices = this.#vxlans.flatMap((name) => observed.links.get(name) ?? []);
    this.#scene.rows = await observeRows(namespace.rtnetlink, devices);
  }

  #record(
    view: OverlayView,
    ops: readonly OverlayOp[],
    failures: ReadonlyMap<OverlayOp, string>,
    startMs: number,
  ): void {
    const { told, linkFailure, portFailures } = judgeFailures(view, failures);
    this.#portFailures = portFailures;
    const isNews = linkFailure !== undefined && linkFailure !== this.#last?.linkFailure;
    this.#last = { ...this.#base(startMs, ops.length), failures: told, linkFailure };
    if (failures.size > 0) this.#isRowsDue = true;
    if (isNews) this.#deps.logger.error({ reason: linkFailure }, 'overlay network cannot be built');
    if (
      this.#settled === undefined &&
      this.#scene.namespace !== undefined &&
      !ops.some(({ kind }) => kind === 'namespace-add')
    ) {
      this.#adoption = { repairs: ops.length, destructive: ops.filter(isDestructive).length };
      this.#deps.logger.info(
        { ...this.#adoption, rows: this.#scene.rows.size, mtu: view.mtu },
        'overlay network adopted',
      );
    }
  }

  #recordDrift(
    view: OverlayView,
    ops: readonly OverlayOp[],
    failures: ReadonlyMap<OverlayOp, string>,
    isAll: boolean,
    expected: (op: OverlayOp) => boolean,
  ): void {
    const settled = settledOf(view);
    const strange = this.#settled === undefined ? [] : unexplained(ops, this.#settled, settled, expected);
    this.#deps.drift.pass(this.#desired.id, this.#deps.clock.now(), isAll, strange, failures);
    if (failures.size === 0) this.#settled = settled;
    if (strange.length === 0) return;
    const first = strange[0];
    this.#deps.logger.warn(
      { count: strange.length, first: first && opText(first), failed: failures.size },
      'overlay network was not as it should be',
    );
  }

  #base(startMs: number, ops: number) {
    return { atMs: this.#deps.clock.now(), tookMs: this.#deps.clock.monotonicMs() - startMs, ops };
  }

  #wanted(view: OverlayView): Wanted {
    const local = localAddresses(this.#desired, this.#deps.endpoints());
    return { view, rows: { winners: this.#winners, local, holdDeletes: this.#hold !== undefined } };
  }

  #ground() {
    const subnets = this.#desired.subnets.flatMap(({ subnet }) => parseCidr(subnet) ?? []);
    const local = localAddresses(this.#desired, this.#deps.endpoints());
    return { subnets, vtep: this.#deps.underlay().vtep, local };
  }

  #nextHold(): Hold | undefined {
    const standing = this.#deps.standing();
    return nextHold(this.#hold, {
      nowMs: this.#deps.clock.monotonicMs(),
      hasTables: standing !== undefined,
      isInSync: standing?.isInSync ?? false,
      others: standing?.others ?? 0,
      before: this.#rowsBefore,
      now: this.#winners.size,
    });
  }
}
