import { type ServiceError, status } from '@grpc/grpc-js';
import { NetdError } from '#base/errors.ts';

/**
 * What a manager's answer to a certificate call means (spec swarmkit-worker §7.3). Managers wrap their texts, so fragments are
 * matched. `undefined`: nothing definite, try again or elsewhere.
 *
 * A node that asks for a token's sake is joining. One that renews its certificate sends none, and is asked for one when it was
 * removed.
 */
export function finalRefusal(error: unknown, joining: boolean): NetdError | undefined {
  if (!isServiceError(error)) return undefined;
  const { code, details } = error;
  const tokenWanted = code === status.INVALID_ARGUMENT && details.includes('valid join token');
  if (tokenWanted && joining) {
    return new NetdError('token-refused', 'the manager does not accept the join token', {
      mend: 'The token was rotated or is of another swarm: take the one `docker swarm join-token worker` prints now.',
      cause: error,
    });
  }
  if (code === status.PERMISSION_DENIED && details.includes('not part of organization')) {
    return new NetdError('other-cluster', 'the certificate of this node is of another swarm than the manager', {
      mend: 'Leave the swarm and join again.',
      cause: error,
    });
  }
  const removed = code === status.PERMISSION_DENIED && details.includes('was removed from swarm');
  if (tokenWanted || removed || code === status.NOT_FOUND) {
    return new NetdError('node-removed', 'this node was removed from the swarm', {
      mend: 'Leave the swarm; join again if the node is to come back.',
      cause: error,
    });
  }
  if (code === status.INVALID_ARGUMENT || code === status.UNIMPLEMENTED) {
    return new NetdError('request-refused', `the manager refuses the certificate request: ${details}`, {
      cause: error,
    });
  }
  return undefined;
}

export function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && 'details' in error && typeof error.details === 'string';
}

export function isDeadlineExceeded(error: unknown): boolean {
  return isServiceError(error) && error.code === status.DEADLINE_EXCEEDED;
}
