import type { GoString } from './go-string.ts';

/**
 * Everything a template can hold, with the Go types of what Docker hands to its templates: they show in errors and
 * in `%T`. Strings, the keys of maps and the items of lists are Go strings.
 */
export type Value =
  /** `nil`, and what is left where a value is missing. */
  | { readonly kind: 'nil' }
  | { readonly kind: 'bool'; readonly value: boolean }
  /** `uint8` is what indexing a string gives. */
  | { readonly kind: 'int'; readonly type: 'int' | 'uint8'; readonly value: bigint }
  /** Always finite: constants are the only source. */
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'string'; readonly value: GoString }
  /** Go type `[]string`. */
  | { readonly kind: 'list'; readonly items: readonly GoString[] }
  /** Go type `map[string]string`. An empty one is a nil map, as protobuf decodes it. */
  | { readonly kind: 'map'; readonly entries: ReadonlyMap<GoString, GoString> }
  | StructValue;

export interface StructValue {
  readonly kind: 'struct';
  /** Go type, such as `template.Platform`, without the `*` of a pointer. */
  readonly type: GoString;
  /** True where Docker hands over a pointer: it shows in type names and in `print`. */
  readonly pointer: boolean;
  /** In declaration order. */
  readonly fields: ReadonlyMap<string, Value>;
}

export const NIL: Value = { kind: 'nil' };

export function boolValue(value: boolean): Value {
  return { kind: 'bool', value };
}

export function intValue(value: number | bigint): Value {
  return { kind: 'int', type: 'int', value: BigInt(value) };
}

export function stringValue(value: GoString): Value {
  return { kind: 'string', value };
}

/** The Go type, as in errors and `%T`. */
export function typeName(value: Value): GoString {
  switch (value.kind) {
    case 'nil':
      return '<nil>';
    case 'bool':
    case 'string':
      return value.kind;
    case 'int':
      return value.type;
    case 'float':
      return 'float64';
    case 'list':
      return '[]string';
    case 'map':
      return 'map[string]string';
    case 'struct':
      return value.pointer ? `*${value.type}` : value.type;
  }
}

/** Whether `if`, `with`, `and`, `or` and `not` take the value for true: false, zero and empty are not. */
export function isTrue(value: Value): boolean {
  switch (value.kind) {
    case 'nil':
      return false;
    case 'bool':
      return value.value;
    case 'int':
      return value.value !== 0n;
    case 'float':
      return value.value !== 0;
    case 'string':
      return value.value.length > 0;
    case 'list':
      return value.items.length > 0;
    case 'map':
      return value.entries.size > 0;
    case 'struct':
      return true;
  }
}

/** The map's entries as Go ranges over and prints them: sorted by the bytes of their keys. */
export function sortedEntries(entries: ReadonlyMap<GoString, GoString>): readonly (readonly [GoString, GoString])[] {
  return [...entries].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}
