import { CallError } from './error.ts';
import { stringValue, typeName, type Value } from './value.ts';

/** `len`. Strings are counted in bytes. */
export function lengthOf(value: Value): number {
  switch (value.kind) {
    case 'string':
      return value.value.length;
    case 'list':
      return value.items.length;
    case 'map':
      return value.entries.size;
    case 'nil':
      throw new CallError('reflect: call of reflect.Value.Type on zero Value');
    default:
      throw new CallError(`len of type ${valueType(value)}`);
  }
}

/** `index`: goes into `value` by each key in turn. A key that a map lacks gives the empty string. */
export function indexInto(value: Value, keys: readonly Value[]): Value {
  if (value.kind === 'nil') throw new CallError('index of untyped nil');
  return keys.reduce(indexOnce, value);
}

function indexOnce(value: Value, key: Value): Value {
  switch (value.kind) {
    case 'map':
      if (key.kind === 'nil') throw new CallError('value is nil; should be of type string');
      if (key.kind !== 'string') throw new CallError(`value has type ${typeName(key)}; should be string`);
      return stringValue(value.entries.get(key.value) ?? '');
    case 'list': {
      const item = value.items[position(key, value.items.length)];
      if (item === undefined) throw new CallError(outOfRange(key));
      return stringValue(item);
    }
    case 'string': {
      const byte = value.value.charCodeAt(position(key, value.value.length));
      if (Number.isNaN(byte)) throw new CallError('reflect: string index out of range');
      return { kind: 'int', type: 'uint8', value: BigInt(byte) };
    }
    default:
      throw new CallError(`can't index item of type ${valueType(value)}`);
  }
}

const MAX_SLICE_INDEXES = 3;

/** `slice`: `value[from:to]`, bytes of a string or items of a list. */
export function sliceOf(value: Value, indexes: readonly Value[]): Value {
  if (value.kind === 'nil') throw new CallError('slice of untyped nil');
  if (indexes.length > MAX_SLICE_INDEXES) throw new CallError(`too many slice indexes: ${indexes.length}`);
  if (value.kind !== 'string' && value.kind !== 'list') {
    throw new CallError(`can't slice item of type ${valueType(value)}`);
  }
  if (value.kind === 'string' && indexes.length === MAX_SLICE_INDEXES) {
    throw new CallError('cannot 3-index slice a string');
  }
  const length = lengthOf(value);
  const positions = indexes.map((index) => position(index, length));
  const [from = 0, to = length, capacity = length] = positions;
  if (from > to) throw new CallError(`invalid slice index: ${from} > ${to}`);
  if (to > capacity) throw new CallError(`invalid slice index: ${to} > ${capacity}`);
  if (value.kind === 'string') return stringValue(value.value.slice(from, to));
  return { kind: 'list', items: value.items.slice(from, to) };
}

/** An index from 0 to `length`, both included: what lies at the end is for the caller to judge. */
function position(index: Value, length: number): number {
  if (index.kind === 'nil') throw new CallError('cannot index slice/array with nil');
  if (index.kind !== 'int') throw new CallError(`cannot index slice/array with type ${typeName(index)}`);
  if (index.value < 0n || index.value > BigInt(length)) throw new CallError(outOfRange(index));
  return Number(index.value);
}

function outOfRange(index: Value): string {
  return `index out of range: ${index.kind === 'int' ? index.value : ''}`;
}

/** Go looks through a pointer before it complains. */
function valueType(value: Value): string {
  return value.kind === 'struct' ? value.type : typeName(value);
}
