import { CallError } from './error.ts';
import { formatValue } from './format.ts';
import { toText } from './go-string.ts';
import { isTrue, typeName, type Value } from './value.ts';

const INCOMPATIBLE = 'incompatible types for comparison';
const INVALID = 'invalid type for comparison';

/** `eq`: whether `first` equals one of the others; those after a match are not looked at. */
export function equalsAny(first: Value, others: readonly Value[]): boolean {
  if (others.length === 0) throw new CallError('missing argument for comparison');
  return others.some((other) => equals(first, other));
}

/** `lt`: integers, floats and strings have an order, each among themselves. */
export function isLess(a: Value, b: Value): boolean {
  if (!isScalar(a) || !isScalar(b)) throw new CallError(INVALID);
  if (a.kind !== b.kind) throw new CallError(INCOMPATIBLE);
  if (a.kind === 'bool') throw new CallError(INVALID);
  return a.value < b.value;
}

export function equals(a: Value, b: Value): boolean {
  if (a.kind === 'nil' || b.kind === 'nil') return isNil(a) && isNil(b);
  if (isScalar(a) || isScalar(b)) {
    if (!isScalar(a) || !isScalar(b) || a.kind !== b.kind) throw new CallError(INCOMPATIBLE);
    return a.value === b.value;
  }
  if (a.kind !== b.kind) {
    throw new CallError(`non-comparable types ${shown(a)}: ${typeName(a)}, ${typeName(b)}: ${shown(b)}`);
  }
  if (isNil(a) || isNil(b)) return isNil(a) && isNil(b);
  if (!isComparable(b)) throw new CallError(`non-comparable type ${shown(b)}: ${typeName(b)}`);
  return a === b || (typeName(a) === typeName(b) && sameFields(a, b));
}

type Scalar = Extract<Value, { kind: 'bool' | 'int' | 'float' | 'string' }>;

function isScalar(value: Value): value is Scalar {
  return value.kind === 'bool' || value.kind === 'int' || value.kind === 'float' || value.kind === 'string';
}

function isNil(value: Value): boolean {
  return value.kind === 'nil' || (value.kind === 'map' && !isTrue(value));
}

/** Go compares pointers, and structs of which every field can be compared. */
function isComparable(value: Value): boolean {
  if (value.kind === 'list' || value.kind === 'map') return false;
  return value.kind !== 'struct' || value.pointer || [...value.fields.values()].every(isComparable);
}

function sameFields(a: Value, b: Value): boolean {
  if (a.kind !== 'struct' || b.kind !== 'struct' || a.pointer) return false;
  return [...a.fields].every(([name, field]) => equals(field, b.fields.get(name) ?? field));
}

function shown(value: Value): string {
  return toText(formatValue(value, { verb: 's' }));
}
