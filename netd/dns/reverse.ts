import { ipText } from '../gossip/wire/ip.ts';

const V4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/;
const V6 = /^((?:[0-9a-f]\.){32})ip6\.arpa$/;

/** The address a reverse name stands for (RFC 1035 §3.5, RFC 3596 §2.5), or undefined. @param key in lower case */
export function reversedAddress(key: string): string | undefined {
  const v4 = V4.exec(key);
  if (v4 !== null) {
    const parts = v4.slice(1).reverse();
    // As text, so that `010` is not taken for `10`, nor `256` for anything.
    return parts.every((part) => String(Number(part)) === part && Number(part) < 256) ? parts.join('.') : undefined;
  }
  const nibbles = V6.exec(key)?.[1];
  if (nibbles === undefined) return undefined;
  return ipText(Buffer.from([...nibbles.replaceAll('.', '')].reverse().join(''), 'hex'));
}

const MAX_LABEL_BYTES = 63;
const MAX_NAME_BYTES = 255;

/**
 * The wire form of a name in text (RFC 1035 §3.1), or undefined if it cannot be one: a label longer than 63 bytes or
 * empty, or 255 bytes in all.
 */
export function wireName(name: string): Buffer | undefined {
  const parts: Buffer[] = [];
  for (const label of name.split('.')) {
    const bytes = Buffer.from(label);
    if (bytes.length === 0 || bytes.length > MAX_LABEL_BYTES) return undefined;
    parts.push(Buffer.of(bytes.length), bytes);
  }
  const wire = Buffer.concat([...parts, Buffer.of(0)]);
  return wire.length <= MAX_NAME_BYTES ? wire : undefined;
}
