import { NetdError } from '#base/errors.ts';

/**
 * One thing of a kind the manager can hand out: a counted one (`gpu: 4`) or one with a name (`gpu: UUID1`).
 * SwarmKit's GenericResource (spec swarmkit-worker §2.8).
 */
export type GenericResource =
  | { readonly tag: 'discrete'; readonly kind: string; readonly value: number }
  | { readonly tag: 'named'; readonly kind: string; readonly value: string };

/** More of them than any node has; the whole description must stay well under the 4 MiB of one message. */
const MAX_ENTRIES = 1_000;

const WHOLE_NUMBER = /^-?\d+$/;

/**
 * Reads `KIND=VALUE` entries as Docker reads its daemon option `node-generic-resources` (spec swarmkit-worker §4.15): a
 * whole number alone is one counted resource, strings are one named resource each, and a kind is one or the other.
 * Kinds come out in order of first mention, so that the node description built from them is stable.
 *
 * @throws NetdError `bad-generic-resource`, naming the entry.
 */
export function parseGenericResources(entries: readonly string[]): readonly GenericResource[] {
  if (entries.length > MAX_ENTRIES)
    throw bad(`${entries.length} generic resources; at most ${MAX_ENTRIES} are allowed`);
  const valuesByKind = new Map<string, string[]>();
  for (const entry of entries) {
    const { kind, value } = splitEntry(entry);
    const values = valuesByKind.get(kind) ?? [];
    if (values.includes(value)) throw bad(`"${kind}=${value}" is given twice`);
    values.push(value);
    valuesByKind.set(kind, values);
  }
  return [...valuesByKind].flatMap(([kind, values]) => resourcesOfKind(kind, values));
}

function splitEntry(entry: string): { kind: string; value: string } {
  const [kind = '', value = '', ...rest] = entry.split('=').map((part) => part.trim());
  if (rest.length > 0 || kind === '' || value === '') throw bad(`"${entry}" is not KIND=VALUE`);
  // The kind becomes part of an environment variable and of `--generic-resource` on the manager's command line.
  if (/[\s,]/.test(kind) || /[\s,]/.test(value)) throw bad(`"${entry}" contains a space or a comma`);
  return { kind, value };
}

function resourcesOfKind(kind: string, values: readonly string[]): GenericResource[] {
  const counts = values.filter((value) => WHOLE_NUMBER.test(value));
  if (counts.length === 0) return values.map((value) => ({ tag: 'named', kind, value }));
  if (counts.length < values.length) throw bad(`"${kind}" mixes a number (${counts[0]}) with names`);
  if (counts.length > 1) throw bad(`"${kind}" has more than one number: ${counts.join(', ')}`);
  const value = Number(counts[0]);
  if (value < 0 || !Number.isSafeInteger(value)) throw bad(`"${kind}=${counts[0]}" is not between 0 and 2^53 - 1`);
  return [{ tag: 'discrete', kind, value }];
}

function bad(message: string): NetdError {
  return new NetdError('bad-generic-resource', message, {
    mend: 'Allowed: KIND=NUMBER once per kind, or KIND=NAME once per thing, such as gpu=2 or gpu=UUID1.',
  });
}
