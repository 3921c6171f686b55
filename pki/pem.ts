/**
 * PEM text to DER and back (RFC 7468). Node reads only the first certificate of a bundle and refuses Docker's key files
 * for their `kek-version` header line (spec swarmkit-worker §1.5), so the armour is taken off here.
 */

/** The DER of every block with that label, in file order. Other blocks and text between blocks are passed over. */
export function decodePem(text: string, label: string): Buffer[] {
  const block = new RegExp(`-----BEGIN ${label}-----\\s*?\\n([\\s\\S]*?)-----END ${label}-----`, 'g');
  return [...text.matchAll(block)].map(([, body = '']) => Buffer.from(withoutHeaders(body), 'base64'));
}

/** One block, 64 characters a line, ending with a newline: the form Go and OpenSSL write. */
export function encodePem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

/** Drops RFC 1421 header lines (`name: value`), which base64 cannot contain. */
function withoutHeaders(body: string): string {
  return body
    .split('\n')
    .filter((line) => !line.includes(':'))
    .join('');
}
