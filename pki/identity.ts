import type { Clock } from '#base/clock.ts';
import { errorChain, errorText, isNetdError, NetdError } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import { CA } from '#proto/gen/swarmkit/ca_pb.js';
import { NodeSpec_Availability } from '#proto/gen/swarmkit/types_pb.js';
import { callUnary } from '#proto/grpc.ts';
import { CA_TIMEOUT_MS, type CaConnection, caConnector } from './ca-connection.ts';
import { sha256Hex } from './chain.ts';
import {
  type Credentials,
  isExpired,
  parseCredentials,
  sameTlsInfo,
  tlsInfoOf,
  withRootBundle,
} from './credentials.ts';
import { createSigningRequest } from './csr.ts';
import { dialManager } from './dial.ts';
import { type IdentityState, identityState, type RenewalAttempt } from './identity-state.ts';
import { issueCertificate } from './issue.ts';
import type { Remotes } from './remotes.ts';
import { nextAttemptMs } from './renewal-schedule.ts';
import type { CertificateStore } from './store.ts';

export interface IdentityOptions {
  readonly credentials: Credentials;
  readonly store: Pick<CertificateStore, 'saveRenewed' | 'saveRoot'>;
  readonly remotes: Remotes;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface IdentityChange {
  readonly credentials: Credentials;
  /** The trusted root or the issuer is another: managers must be told, by a new session (spec swarmkit-worker §3.9). */
  readonly tlsInfoChanged: boolean;
}

/** What became of a root bundle a manager has sent. */
export type RootOffer = 'same' | 'adopted' | 'refused' | 'not-saved';

/** Lets the manager settle the node's role before the renewal it has asked for (spec swarmkit-worker §1.8). */
const FORCED_PAUSE_MS = 500;
/** The longest sleep before the wall clock is looked at again: it may have been set, or the host suspended. */
const LONGEST_SLEEP_MS = 60 * 60 * 1_000;

/** Compared by identity: each wish is another. */
interface Wanted {
  readonly reason: string;
}

/**
 * The node's identity while it lives: renewed in time or when asked, moved to a new root when the swarm changes its own.
 * On disk first, in memory second; every reader gets a whole set of credentials.
 *
 * netd is a worker only. It renews in time even where that yields a manager's certificate, since a session works with either,
 * says so in log and state, and never renews for the sake of a promotion (spec swarmkit-worker §1.17). Nor is there a renewal for
 * a demotion: managers refuse to demote a node that has never been in their raft group.
 */
export class NodeIdentity {
  readonly #options: IdentityOptions;
  readonly #listeners = new Set<(change: IdentityChange) => void>();
  #credentials: Credentials;
  /** Changes of the credentials, one after the other: each starts from what the one before has left. */
  #turn: Promise<unknown> = Promise.resolve();
  #wanted: Wanted | undefined;
  #wake = new AbortController();
  #failures = 0;
  #nextAttemptMs: number | undefined;
  #lastAttempt: RenewalAttempt | undefined;
  /** Digest of the last root that was not taken over, so that the log says it once. */
  #lastRefusedRoot: string | undefined;

  constructor(options: IdentityOptions) {
    this.#options = options;
    this.#credentials = options.credentials;
  }

  current(): Credentials {
    return this.#credentials;
  }

  state(): IdentityState {
    const renewal = {
      nextRenewalAtMs: this.#nextAttemptMs,
      renewalWanted: this.#wanted?.reason,
      failures: this.#failures,
      lastAttempt: this.#lastAttempt,
    };
    return identityState(this.#credentials, renewal, this.#options.clock.now());
  }

  /** Calls `listener` after each change, with what is current then. Returns the undo. */
  onChange(listener: (change: IdentityChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Takes the root bundle of a session message over if this node's own certificate holds under it, and keeps the old one if not
   * (spec swarmkit-worker §1.10). Never rejects: a manager offers the bundle again with its next message.
   */
  offerRoot(bundle: Uint8Array): Promise<RootOffer> {
    if (bundle.length === 0 || this.#trusts(bundle)) return Promise.resolve('same');
    return this.#exclusively(() => this.#adoptRoot(bundle));
  }

  /**
   * Asks for a renewal now; the loop in `run` carries it out, and goes on until one succeeds. Wishes made before it has begun are
   * one.
   */
  renewNow(reason: string): void {
    // A wish that waits for its pause goes on waiting: wishes that keep coming must not put it off for ever.
    const pausing = this.#wanted !== undefined && this.#failures === 0;
    this.#wanted = { reason };
    this.#failures = 0;
    if (!pausing) this.#wake.abort();
  }

  /** Renews whenever it is time, until the signal aborts. Failures are logged, kept for `state`, and retried. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#untilDue(signal);
        await this.#attempt(signal);
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    }
  }

  async #untilDue(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    for (;;) {
      this.#wake = new AbortController();
      const forced = this.#wanted !== undefined;
      const dueMs = this.#drawNextAttempt(forced);
      try {
        for (let leftMs = dueMs - clock.now(); leftMs > 0; leftMs = dueMs - clock.now()) {
          await clock.sleep(Math.min(leftMs, LONGEST_SLEEP_MS), AbortSignal.any([signal, this.#wake.signal]));
        }
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (!this.#wake.signal.aborted) throw error;
        // woken: renewNow has changed what is due
      }
    }
  }

  #drawNextAttempt(forced: boolean): number {
    const { clock, random } = this.#options;
    const { notBeforeMs, notAfterMs } = this.#credentials;
    const attempted = this.#lastAttempt !== undefined;
    const situation = { notBeforeMs, notAfterMs, nowMs: clock.now(), attempted, failures: this.#failures, forced };
    const pauseMs = forced && this.#failures === 0 ? FORCED_PAUSE_MS : 0;
    this.#nextAttemptMs = nextAttemptMs(situation, random) + pauseMs;
    return this.#nextAttemptMs;
  }

  async #attempt(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    const wanted = this.#wanted;
    const failures = this.#failures;
    const reason = wanted?.reason ?? (isExpired(this.#credentials, clock.now()) ? 'it has expired' : 'it is due');
    try {
      await this.#renew(signal);
      this.#failures = 0;
      // A wish made while the attempt was under way is about a certificate that came too early for it.
      if (this.#wanted === wanted) this.#wanted = undefined;
      this.#lastAttempt = { atMs: clock.now(), reason, error: undefined, mend: undefined };
    } catch (error) {
      signal.throwIfAborted();
      if (this.#wanted === wanted) this.#failures = failures + 1;
      const mend = error instanceof NetdError ? error.mend : undefined;
      this.#lastAttempt = { atMs: clock.now(), reason, error: errorChain(error), mend };
      log.warn({ reason, failures: this.#failures, error: errorChain(error), mend }, 'certificate not renewed');
    }
  }

  async #renew(signal: AbortSignal): Promise<void> {
    const { keyPem, csrPem } = await createSigningRequest();
    const connect = caConnector(this.#options.remotes, (address, limits) =>
      dialManager(
        {
          address,
          serverName: 'swarm-manager',
          rootBundle: this.#credentials.rootBundle,
          credentials: this.#credentials,
        },
        limits,
      ),
    );
    const request = { csrPem, token: '', availability: NodeSpec_Availability.ACTIVE, connect, pauseMs: 0 };
    const { certificatePem } = await issueCertificate(request, this.#options, signal);
    const adopt = () => this.#exclusively(() => this.#adoptCertificate(certificatePem, keyPem));
    try {
      await adopt();
    } catch (error) {
      if (!isNetdError(error, 'unknown-authority')) throw error;
      if (!(await this.#catchUpWithRoot(await connect(signal), signal))) throw error;
      await adopt();
    }
  }

  async #adoptCertificate(certificatePem: string, keyPem: string): Promise<void> {
    const { store, clock, log } = this.#options;
    const current = this.#credentials;
    const next = parseCredentials({ rootBundle: current.rootBundle, certificatePem, keyPem }, clock.now());
    if (next.nodeId !== current.nodeId || next.clusterId !== current.clusterId) {
      throw new NetdError(
        'bad-certificate',
        `the certificate is for node ${next.nodeId} of swarm ${next.clusterId}, not for this one`,
      );
    }
    await store.saveRenewed(next);
    log.info(
      { serial: next.serial, notAfter: new Date(next.notAfterMs).toISOString(), role: next.role },
      'certificate renewed',
    );
    if (next.role === 'manager') {
      log.warn(
        { nodeId: next.nodeId },
        "the swarm has given this node a manager's certificate; netd is a worker only and goes on as one",
      );
    }
    this.#replace(next);
  }

  /**
   * The one way out for a node that has missed the end of a rotation (spec swarmkit-worker §1.11): a manager it still trusts is asked
   * for the root, which then has to pass the same test as one that is offered.
   */
  async #catchUpWithRoot({ client, done }: CaConnection, signal: AbortSignal): Promise<boolean> {
    try {
      const limits = { timeoutMs: CA_TIMEOUT_MS, signal };
      const { certificate } = await callUnary(client, CA.method.getRootCACertificate, {}, limits);
      done('good');
      return (await this.offerRoot(certificate)) === 'adopted';
    } catch (error) {
      done('bad');
      throw error;
    }
  }

  async #adoptRoot(bundle: Uint8Array): Promise<RootOffer> {
    const { store, clock, log } = this.#options;
    if (this.#trusts(bundle)) return 'same';
    let next: Credentials;
    try {
      next = withRootBundle(this.#credentials, bundle, clock.now());
    } catch (error) {
      this.#logRefusal(
        bundle,
        error,
        'new root CA not taken over: the certificate of this node does not hold under it',
      );
      return 'refused';
    }
    try {
      await store.saveRoot(next);
    } catch (error) {
      this.#logRefusal(bundle, error, 'new root CA not taken over: it cannot be saved');
      return 'not-saved';
    }
    this.#lastRefusedRoot = undefined;
    log.info({ rootDigest: sha256Hex(bundle) }, 'new root CA taken over');
    this.#replace(next);
    return 'adopted';
  }

  #logRefusal(bundle: Uint8Array, error: unknown, message: string): void {
    const digest = sha256Hex(bundle);
    if (digest === this.#lastRefusedRoot) return;
    this.#lastRefusedRoot = digest;
    this.#options.log.warn({ rootDigest: digest, error: errorText(error) }, message);
  }

  #trusts(bundle: Uint8Array): boolean {
    return Buffer.compare(bundle, this.#credentials.rootBundle) === 0;
  }

  #replace(credentials: Credentials): void {
    const tlsInfoChanged = !sameTlsInfo(tlsInfoOf(this.#credentials), tlsInfoOf(credentials));
    this.#credentials = credentials;
    for (const listener of this.#listeners) listener({ credentials, tlsInfoChanged });
  }

  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return result;
  }
}
