import { jitteredBackoffMs } from '#base/backoff.ts';
import type { Clock } from '#base/clock.ts';
import { errorChain, isNetdError, NetdError } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import { NodeCA, type NodeCertificateStatusResponse } from '#proto/gen/swarmkit/ca_pb.js';
import { IssuanceStatus_State, NodeRole, type NodeSpec_Availability } from '#proto/gen/swarmkit/types_pb.js';
import { callUnary } from '#proto/grpc.ts';
import { CA_TIMEOUT_MS, type CaConnection } from './ca-connection.ts';
import type { SwarmRole } from './credentials.ts';
import { finalRefusal, isDeadlineExceeded } from './refusal.ts';

export interface IssueRequest {
  readonly csrPem: string;
  /** The join token; empty for a renewal, where the client certificate says who asks. */
  readonly token: string;
  readonly availability: NodeSpec_Availability;
  /** Connects to some manager, after a failure preferably to another one. */
  readonly connect: (signal: AbortSignal) => Promise<CaConnection>;
  /** Pause between attempts to hand the request in, in milliseconds. */
  readonly pauseMs: number;
  /** Told of each failure that is not the end. */
  readonly onSetback?: (error: unknown) => void;
}

export interface IssuedCertificate {
  readonly nodeId: string;
  readonly certificatePem: string;
  /** The role the manager has on record. The certificate itself decides. */
  readonly role: SwarmRole;
}

export interface IssueTools {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** How often a request is handed in before giving up (spec swarmkit-worker §1.2). */
const SUBMIT_ATTEMPTS = 5;
/** Pause before the n-th poll in a row that brought nothing. */
const POLL_BACKOFF = { firstMs: 1_000, stepMs: 1_000, maxMs: 30_000 };
/** A CA may be out of reach of its managers for long; then the request is made anew, with a new key. */
const POLL_LIMIT_MS = 60 * 60 * 1_000;
/** Lost connections in a row while polling before the exchange counts as failed. */
const POLL_MAX_LOSSES = 10;
/** Answers in a row that are for another request: someone else uses this identity. */
const POLL_MAX_FOREIGN = 10;

/**
 * Hands a signing request to the swarm's CA and waits for the certificate (spec swarmkit-worker §1.2, §1.9). Nothing is checked
 * here but that the answer is for this request.
 *
 * @throws NetdError of refusal.ts when the manager's answer is final, `certificate-not-issued` when it gives none, the last
 *   connection error when no manager takes the request; or `signal.reason`
 */
export async function issueCertificate(
  request: IssueRequest,
  tools: IssueTools,
  signal: AbortSignal,
): Promise<IssuedCertificate> {
  const { nodeId, connection } = await submit(request, tools, signal);
  return poll(nodeId, connection, request, tools, signal);
}

async function submit(
  { csrPem, token, availability, connect, pauseMs, onSetback }: IssueRequest,
  { clock, log }: IssueTools,
  signal: AbortSignal,
): Promise<{ nodeId: string; connection: CaConnection }> {
  const body = { csr: Buffer.from(csrPem), token, availability };
  for (let attempt = 1; ; attempt++) {
    let connection: CaConnection | undefined;
    try {
      connection = await connect(signal);
      const limits = { timeoutMs: CA_TIMEOUT_MS, signal };
      const { nodeId } = await callUnary(connection.client, NodeCA.method.issueNodeCertificate, body, limits);
      if (nodeId === '') throw new NetdError('certificate-not-issued', 'the manager gave the request no node id');
      return { nodeId, connection };
    } catch (error) {
      connection?.done('bad');
      signal.throwIfAborted();
      const final = finalRefusal(error, token !== '');
      if (final) throw final;
      if (attempt === SUBMIT_ATTEMPTS) throw error;
      onSetback?.(error);
      log.warn(
        { attempt, attempts: SUBMIT_ATTEMPTS, error: errorChain(error) },
        'certificate request not taken, trying again',
      );
    }
    await clock.sleep(pauseMs, signal);
  }
}

/** Polls until the answer is final. A poll that brings nothing is followed by a pause that grows. */
async function poll(
  nodeId: string,
  first: CaConnection,
  { csrPem, token, connect, onSetback }: IssueRequest,
  { clock, random, log }: IssueTools,
  signal: AbortSignal,
): Promise<IssuedCertificate> {
  const giveUpAtMs = clock.monotonicMs() + POLL_LIMIT_MS;
  let connection: CaConnection | undefined = first;
  let outcome: 'good' | 'bad' = 'bad';
  let losses = 0;
  let foreign = 0;
  try {
    for (let failures = 1; clock.monotonicMs() < giveUpAtMs; failures++) {
      try {
        connection ??= await connect(signal);
        const answer = await ask(connection, nodeId, csrPem, signal);
        losses = 0;
        foreign = answer.kind === 'foreign' ? foreign + 1 : 0;
        if (answer.kind === 'failed') throw notIssued(`the swarm's CA refused the request: ${answer.text}`);
        if (foreign === POLL_MAX_FOREIGN) throw foreignError(nodeId);
        if (answer.kind === 'issued') {
          outcome = 'good';
          return { nodeId, certificatePem: answer.certificatePem, role: answer.role };
        }
      } catch (error) {
        signal.throwIfAborted();
        const final = isNetdError(error, 'certificate-not-issued') ? error : finalRefusal(error, token !== '');
        if (final) throw final;
        if (++losses === POLL_MAX_LOSSES) throw error;
        connection?.done('bad');
        connection = undefined;
        onSetback?.(error);
        log.warn({ nodeId, error: errorChain(error) }, 'lost the manager while waiting for a certificate');
      }
      await clock.sleep(jitteredBackoffMs(failures, POLL_BACKOFF, random), signal);
    }
    throw notIssued("the swarm's CA has not signed the request within an hour");
  } finally {
    connection?.done(outcome);
  }
}

/** One long poll: the manager answers once the state is final, so our own deadline is the usual answer for "not yet". */
async function ask({ client }: CaConnection, nodeId: string, csrPem: string, signal: AbortSignal): Promise<Answer> {
  const limits = { timeoutMs: CA_TIMEOUT_MS, signal };
  try {
    return judgeAnswer(await callUnary(client, NodeCA.method.nodeCertificateStatus, { nodeId }, limits), csrPem);
  } catch (error) {
    if (isDeadlineExceeded(error)) return { kind: 'pending' };
    throw error;
  }
}

type Answer =
  | { readonly kind: 'issued'; readonly certificatePem: string; readonly role: SwarmRole }
  | { readonly kind: 'failed'; readonly text: string }
  /** The state is final, but for another request than ours: the manager may not have taken note of ours yet. */
  | { readonly kind: 'foreign' }
  | { readonly kind: 'pending' };

/** What a status answer says about the request `csrPem` (spec swarmkit-worker §1.9). */
export function judgeAnswer({ status, certificate }: NodeCertificateStatusResponse, csrPem: string): Answer {
  const state = status?.state;
  if (state === IssuanceStatus_State.FAILED) return { kind: 'failed', text: status?.err || 'it gives no reason' };
  if (state !== IssuanceStatus_State.ISSUED && state !== IssuanceStatus_State.ROTATE) return { kind: 'pending' };
  if (certificate === undefined || certificate.certificate.length === 0) return { kind: 'pending' };
  if (!Buffer.from(csrPem).equals(certificate.csr)) return { kind: 'foreign' };
  return {
    kind: 'issued',
    certificatePem: Buffer.from(certificate.certificate).toString('latin1'),
    role: certificate.role === NodeRole.MANAGER ? 'manager' : 'worker',
  };
}

function notIssued(message: string, mend?: string): NetdError {
  return new NetdError('certificate-not-issued', message, mend === undefined ? {} : { mend });
}

function foreignError(nodeId: string): NetdError {
  return notIssued(
    `the certificate issued for node ${nodeId} answers another request`,
    'Make sure that no other host or process uses a copy of this state directory.',
  );
}
