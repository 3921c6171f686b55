import { status as Code } from '@grpc/grpc-js';
import { errorText, isNetdError } from '#base/errors.ts';

/**
 * Why a session ended and what that means for the next one (spec swarmkit-worker §7.3). Every kind but `described` is a
 * failure and waits the ordinary backoff; `leastWaitMs` is a floor under it.
 */
export type SessionEnd =
  /** We have something new to say of ourselves: again, at once. */
  | { readonly kind: 'described' }
  | { readonly kind: 'lost'; readonly text: string; readonly leastWaitMs: number }
  /** Another process registers with our identity, or ours lost its place: only telling when it repeats. */
  | { readonly kind: 'replaced'; readonly text: string; readonly leastWaitMs: number }
  /** The operator removed this node (`docker node rm`), or the manager does not know it. */
  | { readonly kind: 'removed'; readonly text: string; readonly leastWaitMs: number }
  /** Our certificate is of another cluster than this manager's. */
  | { readonly kind: 'wrong-cluster'; readonly text: string; readonly leastWaitMs: number };

/** Thrown inside a session to end it because the node description has changed. */
export class DescriptionChanged extends Error {
  override readonly name = 'DescriptionChanged';
}

/** The manager's limit is three registrations in 8 s. */
const RATE_LIMIT_WAIT_MS = 8500;
/** Nothing but an operator can end these: ask seldom. */
const HOPELESS_WAIT_MS = 60_000;

export function sessionEnd(error: unknown): SessionEnd {
  if (error instanceof DescriptionChanged) return { kind: 'described' };
  const code = grpcCode(error);
  const text = grpcText(error);
  if (text.includes('was removed from swarm')) return { kind: 'removed', text, leastWaitMs: HOPELESS_WAIT_MS };
  if (code === Code.UNKNOWN && text.includes('node not found')) {
    return { kind: 'removed', text, leastWaitMs: HOPELESS_WAIT_MS };
  }
  if (code === Code.PERMISSION_DENIED && text.includes('not part of organization')) {
    return { kind: 'wrong-cluster', text, leastWaitMs: HOPELESS_WAIT_MS };
  }
  if (isNetdError(error, 'other-cluster')) return { kind: 'wrong-cluster', text, leastWaitMs: HOPELESS_WAIT_MS };
  if (isNetdError(error, 'certificate-expired')) return { kind: 'lost', text, leastWaitMs: HOPELESS_WAIT_MS };
  if (code === Code.UNAVAILABLE && text.includes('exceeded rate limit')) {
    return { kind: 'lost', text, leastWaitMs: RATE_LIMIT_WAIT_MS };
  }
  if (code === Code.INVALID_ARGUMENT && text.includes('session invalid')) {
    return { kind: 'replaced', text, leastWaitMs: 0 };
  }
  return { kind: 'lost', text, leastWaitMs: 0 };
}

/** The gRPC status code of a call's error, if it is one. */
export function grpcCode(error: unknown): Code | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'number' ? code : undefined;
}

/** The server's own words without grpc-js' numeric prefix. */
export function grpcText(error: unknown): string {
  const details = error instanceof Error && 'details' in error ? error.details : undefined;
  return typeof details === 'string' && details !== '' ? details : errorText(error);
}
