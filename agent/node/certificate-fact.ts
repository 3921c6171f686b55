import { type CertificateFact, isoTime, isoTimeOrNull } from '#agent/api/view.ts';
import type { IdentityState } from '#pki/identity-state.ts';

/** The node's certificate as the local API shows it. */
export function certificateFact(state: IdentityState): CertificateFact {
  return {
    nodeId: state.nodeId,
    clusterId: state.clusterId,
    role: state.role,
    issuer: state.issuer,
    serial: state.serial,
    notBefore: isoTime(state.notBeforeMs),
    notAfter: isoTime(state.notAfterMs),
    renewAt: isoTimeOrNull(state.nextRenewalAtMs),
    lastRenewalAttemptAt: isoTimeOrNull(state.lastAttempt?.atMs),
    lastRenewalError: state.lastAttempt?.error ?? null,
    rootFingerprints: state.rootFingerprints,
    rotating: state.rotating,
  };
}
