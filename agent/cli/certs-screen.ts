import type { CertsDocument } from '#agent/api/documents.ts';
import { dateAndTime, duration, durationSince } from './duration.ts';
import { type Row, rows, type Screen } from './text.ts';

/** `netd inspect certs`: who this node is to the managers, until when, and whom it trusts. */
export function certsScreen({ certificates: held, at }: CertsDocument, screen: Screen): string {
  if (held === null) return 'This node has no certificate: it is not part of a swarm.\n';
  const nowMs = Date.parse(at);
  const leftMs = Date.parse(held.notAfter) - nowMs;
  const until = leftMs > 0 ? `in ${duration(leftMs)}` : `expired ${duration(-leftMs)} ago`;
  const list: Row[] = [
    { label: 'Node', text: held.nodeId },
    { label: 'Cluster', text: held.clusterId },
    { label: 'Role', text: held.role, ...(held.role === 'manager' ? { paint: screen.palette.yellow } : {}) },
    { label: 'Issuer', text: held.issuer },
    { label: 'Serial', text: held.serial },
    { label: 'Valid from', text: dateAndTime(held.notBefore) },
    {
      label: 'Valid until',
      text: `${dateAndTime(held.notAfter)} (${until})`,
      ...(leftMs > 0 ? {} : { paint: screen.palette.red }),
    },
    { label: 'Renewal', text: renewal(held.renewAt, nowMs) },
  ];
  if (held.lastRenewalAttemptAt !== null) {
    const outcome = held.lastRenewalError ?? 'succeeded';
    list.push({
      label: 'Last attempt',
      text: `${durationSince(held.lastRenewalAttemptAt, at)} ago: ${outcome}`,
      ...(held.lastRenewalError === null ? {} : { paint: screen.palette.red }),
    });
  }
  if (held.rotating) list.push({ label: 'CA rotation', text: 'under way', paint: screen.palette.yellow });
  for (const [i, fingerprint] of held.rootFingerprints.entries()) {
    list.push({ label: i === 0 ? 'Roots, SHA-256' : '', text: fingerprint.replace(/:/g, '').toLowerCase() });
  }
  return `${rows(list, screen).join('\n')}\n`;
}

function renewal(renewAt: string | null, nowMs: number): string {
  if (renewAt === null) return 'not planned';
  const waitMs = Date.parse(renewAt) - nowMs;
  return waitMs <= 0 ? 'due now' : `${dateAndTime(renewAt)} (in ${duration(waitMs)})`;
}
