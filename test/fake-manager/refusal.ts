import { type ServerErrorResponse, status } from '@grpc/grpc-js';

/** An error as a manager answers it. */
export function refusal(code: status, details: string): ServerErrorResponse {
  return Object.assign(new Error(details), { code, details });
}

/** A manager wraps what its authorization says (spec swarmkit-worker §7.1). */
export function permissionDenied(details: string): ServerErrorResponse {
  return refusal(
    status.PERMISSION_DENIED,
    `Permission denied: unauthorized peer role: rpc error: code = PermissionDenied desc = ${details}`,
  );
}

export function isRefusal(error: unknown): error is ServerErrorResponse {
  return error instanceof Error && 'code' in error && 'details' in error;
}

/** Whatever was thrown, as a client is to see it. */
export function asRefusal(error: unknown): ServerErrorResponse {
  return isRefusal(error) ? error : refusal(status.INTERNAL, String(error));
}
