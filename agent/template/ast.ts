import type { GoString } from './go-string.ts';
import { quote } from './quote.ts';
import type { Value } from './value.ts';

/** A template as read. `pos` is the byte offset that Go reports for the node. */
export type Statement =
  | { readonly kind: 'text'; readonly pos: number; readonly text: GoString }
  | { readonly kind: 'action'; readonly pos: number; readonly pipe: Pipe }
  /** The first branch whose pipe is true runs. `with` also moves the dot to that value. */
  | {
      readonly kind: 'if' | 'with';
      readonly pos: number;
      readonly branches: readonly Branch[];
      readonly otherwise: Body;
    }
  | { readonly kind: 'range'; readonly pos: number; readonly pipe: Pipe; readonly body: Body; readonly otherwise: Body }
  | { readonly kind: 'template'; readonly pos: number; readonly name: GoString; readonly pipe: Pipe | undefined }
  | { readonly kind: 'break' | 'continue'; readonly pos: number };

export type Body = readonly Statement[];

export interface Branch {
  readonly pipe: Pipe;
  readonly body: Body;
}

export interface Pipe {
  readonly kind: 'pipe';
  readonly pos: number;
  /** Variables set from the result, `$` included: at most one, or two in a `range`. */
  readonly variables: readonly GoString[];
  /** True for `=`, false for `:=`. */
  readonly assigns: boolean;
  readonly commands: readonly Command[];
}

/** Operands side by side: a function and its arguments, or one value. */
export interface Command {
  readonly kind: 'command';
  readonly pos: number;
  readonly first: Operand;
  readonly rest: readonly Operand[];
}

export type Operand =
  | { readonly kind: 'dot' | 'nil'; readonly pos: number }
  | { readonly kind: 'bool'; readonly pos: number; readonly value: boolean }
  /** `value` is undefined for a constant that fits an unsigned integer only, which fails where it is used. */
  | { readonly kind: 'number'; readonly pos: number; readonly source: GoString; readonly value: Value | undefined }
  | { readonly kind: 'string'; readonly pos: number; readonly source: GoString; readonly value: GoString }
  | FieldNode
  | VariableNode
  | FunctionNode
  | ChainNode
  | Pipe;

/** `.a.b`: fields of the dot. */
export interface FieldNode {
  readonly kind: 'field';
  readonly pos: number;
  readonly fields: readonly GoString[];
}

/** `$name.a.b`; the name keeps its `$`. */
export interface VariableNode {
  readonly kind: 'variable';
  readonly pos: number;
  readonly name: GoString;
  readonly fields: readonly GoString[];
}

export interface FunctionNode {
  readonly kind: 'function';
  readonly pos: number;
  readonly name: GoString;
}

/** `(pipe).a.b` or `function.a.b`. */
export interface ChainNode {
  readonly kind: 'chain';
  readonly pos: number;
  readonly base: Pipe | FunctionNode;
  readonly fields: readonly GoString[];
}

/** What an error can point at. */
export type Node = Statement | Pipe | Command | Operand;

/** The node in source form with its spaces normalised: the `<…>` of an error. */
export function nodeText(node: Node): GoString {
  switch (node.kind) {
    case 'text':
    case 'if':
    case 'with':
    case 'range':
    case 'break':
    case 'continue':
      // Errors point at what such a statement evaluates, never at the whole of it; its kind is all there is to say.
      return node.kind;
    case 'action':
      return `{{${nodeText(node.pipe)}}}`;
    case 'template':
      return `{{template ${quote(node.name)}${node.pipe === undefined ? '' : ` ${nodeText(node.pipe)}`}}}`;
    case 'pipe':
      return pipeText(node);
    case 'command':
      return [node.first, ...node.rest].map(argumentText).join(' ');
    case 'dot':
      return '.';
    case 'nil':
      return 'nil';
    case 'bool':
      return String(node.value);
    case 'number':
    case 'string':
      return node.source;
    case 'field':
      return fieldsText(node.fields);
    case 'variable':
      return node.name + fieldsText(node.fields);
    case 'function':
      return node.name;
    case 'chain':
      return argumentText(node.base) + fieldsText(node.fields);
  }
}

function pipeText(pipe: Pipe): GoString {
  const set = pipe.variables.length > 0 ? `${pipe.variables.join(', ')} ${pipe.assigns ? '=' : ':='} ` : '';
  return set + pipe.commands.map(nodeText).join(' | ');
}

function argumentText(operand: Operand): GoString {
  return operand.kind === 'pipe' ? `(${nodeText(operand)})` : nodeText(operand);
}

function fieldsText(fields: readonly GoString[]): GoString {
  return fields.map((field) => `.${field}`).join('');
}
