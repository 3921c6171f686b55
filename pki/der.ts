/**
 * Reading DER (X.690) as far as certificates need it: walk to a field, take its bytes as they are. Every length is checked
 * before it is used. Node's X509Certificate gives neither raw names nor extensions, which the swarm protocol compares.
 */

export interface DerElement {
  readonly tag: number;
  /** The whole element, tag and length included, as it stands in the input. */
  readonly whole: Buffer;
  readonly content: Buffer;
}

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  sequence: 0x30,
  set: 0x31,
} as const;

/** The constructed context-specific tag [n] (X.680 §31). */
export const contextTag = (n: number): number => 0xa0 | n;

/** The elements that follow one another in `bytes`. @throws Error naming the offset where they stop making sense. */
export function derElements(bytes: Uint8Array): DerElement[] {
  const input = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const elements: DerElement[] = [];
  let offset = 0;
  while (offset < input.length) {
    const element = elementAt(input, offset);
    elements.push(element);
    offset += element.whole.length;
  }
  return elements;
}

/** The children of the one element that is all of `bytes`. */
export function derChildren(bytes: Uint8Array, tag: number): DerElement[] {
  const [element, ...rest] = derElements(bytes);
  if (element === undefined || rest.length > 0) throw new Error('DER: expected exactly one element');
  return derElements(expectTag(element, tag).content);
}

/** The element if it has that tag. */
export function expectTag(element: DerElement | undefined, tag: number): DerElement {
  if (element?.tag === tag) return element;
  const found = element === undefined ? 'the end' : `tag 0x${element.tag.toString(16)}`;
  throw new Error(`DER: expected tag 0x${tag.toString(16)}, found ${found}`);
}

/** Object identifier content in dotted form (X.690 §8.19). */
export function oidText(content: Uint8Array): string {
  const arcs: number[] = [];
  let arc = 0;
  for (const byte of content) {
    arc = arc * 128 + (byte & 0x7f);
    if (byte & 0x80) continue;
    if (arcs.length > 0) arcs.push(arc);
    else arcs.push(Math.min(2, Math.floor(arc / 40)), arc - 40 * Math.min(2, Math.floor(arc / 40)));
    arc = 0;
  }
  return arcs.join('.');
}

function elementAt(input: Buffer, offset: number): DerElement {
  const tag = input[offset];
  const first = input[offset + 1];
  if (tag === undefined || first === undefined) throw new Error(`DER: cut off at offset ${offset}`);
  if ((tag & 0x1f) === 0x1f) throw new Error(`DER: multi-byte tag at offset ${offset}`);
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  // Four bytes of length is 4 GiB; 0x80 is BER's indefinite form, which DER forbids.
  if (first === 0x80 || lengthBytes > 4 || offset + 2 + lengthBytes > input.length) {
    throw new Error(`DER: bad length at offset ${offset}`);
  }
  const length = lengthBytes === 0 ? first : input.readUIntBE(offset + 2, lengthBytes);
  const start = offset + 2 + lengthBytes;
  if (length > input.length - start) throw new Error(`DER: element at offset ${offset} is longer than its input`);
  return { tag, whole: input.subarray(offset, start + length), content: input.subarray(start, start + length) };
}
