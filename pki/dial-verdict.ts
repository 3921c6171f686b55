import { NetdError } from '#base/errors.ts';
import type { ManagerAddress } from './address.ts';
import { swarmSubject } from './certificate-der.ts';
import { type Cert, extraAnchors, verifyPath } from './chain.ts';
import type { ProbeResult } from './probe.ts';

/** What to make of a failed connection. */
export type DialVerdict =
  /** The chain holds, with these CAs as further anchors: connect once more with them. */
  | { readonly kind: 'retry'; readonly anchors: readonly Cert[] }
  /** The chain holds as it is: the failure has another reason, on our side or in what was said after the handshake. */
  | { readonly kind: 'trusted' }
  | { readonly kind: 'failed'; readonly error: NetdError };

export interface DialExpectation {
  readonly address: ManagerAddress;
  readonly serverName: string;
  readonly roots: readonly Cert[];
  /** The cluster the manager must belong to; undefined while joining, when only the root is known. */
  readonly clusterId: string | undefined;
}

/** Judges what a probe found (spec swarmkit-worker §0.3, §1.11). Anything that does not verify ends in an error. */
export function judgeProbe(probe: ProbeResult, expected: DialExpectation, atMs: number): DialVerdict {
  if (probe.kind !== 'tls') return { kind: 'failed', error: connectionError(probe, expected.address) };
  const [leaf, ...intermediates] = probe.chain;
  if (leaf === undefined) return failed(notAManager(expected.address, 'it presents no certificate'));
  const verdict = verifyPath(leaf, intermediates, expected.roots, atMs);
  if (!verdict.ok) return failed(untrusted(leaf, verdict, expected.address));
  if (leaf.x509.checkHost(expected.serverName) === undefined) {
    return failed(notAManager(expected.address, wrongNameText(leaf)));
  }
  const stranger = organizationProblem(leaf, expected.clusterId);
  if (stranger) return failed(otherCluster(expected.address, stranger));
  const anchors = extraAnchors(intermediates, expected.roots, atMs);
  return anchors.length > 0 ? { kind: 'retry', anchors } : { kind: 'trusted' };
}

/** Says whose certificate this is when it is not one of the cluster `clusterId`; undefined when it is, or any will do. */
export function organizationProblem(leaf: Cert, clusterId: string | undefined): string | undefined {
  const { organization } = swarmSubject(leaf.subjectDer);
  if (clusterId === undefined || organization === clusterId) return undefined;
  return `its certificate is of cluster ${organization || '(none)'}, not of ${clusterId}`;
}

export function otherCluster(address: ManagerAddress, detail: string): NetdError {
  return new NetdError('other-cluster', `${address.text} is a manager of another swarm: ${detail}`, {
    mend: 'Check the address. To move this node to that swarm, leave the present one first.',
  });
}

export function unreachable(address: ManagerAddress, detail: string, cause?: unknown): NetdError {
  return new NetdError('manager-unreachable', `cannot reach a manager at ${address.text}: ${detail}`, {
    mend: 'Check the address, that the manager runs, and that nothing between blocks the TCP port.',
    cause,
  });
}

export function notAManager(address: ManagerAddress, detail: string): NetdError {
  return new NetdError('not-a-manager', `${address.text} is not a swarm manager: ${detail}`, {
    mend: 'Give the address that `docker swarm join-token worker` prints on a manager (port 2377 as a rule).',
  });
}

function connectionError(probe: Exclude<ProbeResult, { kind: 'tls' }>, address: ManagerAddress): NetdError {
  if (probe.kind === 'no-tls') return notAManager(address, probe.text);
  switch (probe.errno) {
    case 'ECONNREFUSED':
      // Workers listen on no port at all for swarm.
      return unreachable(
        address,
        'the connection was refused; the host is up but no manager listens there (a worker never does)',
      );
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return unreachable(address, `the host name ${address.host} cannot be resolved`);
    default:
      return unreachable(address, probe.text);
  }
}

function untrusted(
  leaf: Cert,
  verdict: { readonly problem: string; readonly text: string },
  address: ManagerAddress,
): NetdError {
  if (verdict.problem !== 'unknown-authority') {
    return new NetdError(
      'manager-certificate-expired',
      `the certificate of the manager at ${address.text} is out of its lifetime: ${verdict.text}`,
      {
        mend: 'Compare the clocks of this host and of the manager; if they are right, the manager has to renew its certificate.',
      },
    );
  }
  const { organizationalUnit } = swarmSubject(leaf.subjectDer);
  if (organizationalUnit !== 'swarm-manager') {
    return notAManager(
      address,
      `it presents a certificate for ${JSON.stringify(leaf.x509.subject.replaceAll('\n', ', '))}`,
    );
  }
  return new NetdError('wrong-ca', `the manager at ${address.text} is not certified by the root CA this node trusts`, {
    mend: 'Check that the address is of the same swarm. If its root CA was replaced while this node was away, leave and join again.',
  });
}

function wrongNameText(leaf: Cert): string {
  const { organizationalUnit } = swarmSubject(leaf.subjectDer);
  return organizationalUnit === 'swarm-worker'
    ? 'it is a worker of the swarm'
    : `its certificate is for ${JSON.stringify(leaf.x509.subjectAltName ?? 'no name')}`;
}

function failed(error: NetdError): DialVerdict {
  return { kind: 'failed', error };
}
