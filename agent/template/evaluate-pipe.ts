import { errorText } from '#base/errors.ts';
import { type ChainNode, type Command, type FunctionNode, nodeText, type Operand, type Pipe } from './ast.ts';
import { TemplateError } from './error.ts';
import type { Frame } from './frame.ts';
import type { Parameter, TemplateFunction } from './functions.ts';
import { fromText, type GoString } from './go-string.ts';
import { quote } from './quote.ts';
import { isTrue, NIL, stringValue, typeName, type Value } from './value.ts';

/** The value of a pipeline, which is also set to the pipeline's variables. */
export function evaluatePipe(frame: Frame, dot: Value, pipe: Pipe): Value {
  frame.at(pipe);
  let value: Value | undefined;
  for (const command of pipe.commands) value = evaluateCommand(frame, dot, command, value);
  const result = value ?? NIL;
  for (const name of pipe.variables) {
    if (pipe.assigns) frame.assign(name, result);
    else frame.declare(name, result);
  }
  return result;
}

/** `piped` is the value of the command before, which becomes the last argument. */
function evaluateCommand(frame: Frame, dot: Value, command: Command, piped: Value | undefined): Value {
  frame.step();
  const { first } = command;
  const hasArguments = command.rest.length > 0 || piped !== undefined;
  switch (first.kind) {
    case 'function':
      return evaluateCall(frame, dot, first, command, piped);
    case 'field':
    case 'chain':
      return evaluateFields(frame, dot, first, hasArguments);
    case 'variable':
      if (first.fields.length > 0) return evaluateFields(frame, dot, first, hasArguments);
      frame.at(first);
      break;
    case 'pipe':
      // Go complains about arguments before it looks at the parenthesis, so the error points where it was before.
      break;
    default:
      frame.at(first);
  }
  if (hasArguments) throw frame.error(`can't give argument to non-function ${nodeText(first)}`);
  if (first.kind === 'nil') throw frame.error('nil is not a command');
  return evaluateValue(frame, dot, first);
}

/** An operand by itself: one that is not called with arguments. */
function evaluateValue(frame: Frame, dot: Value, operand: Operand): Value {
  switch (operand.kind) {
    case 'dot':
      return dot;
    case 'nil':
      return NIL;
    case 'bool':
      return { kind: 'bool', value: operand.value };
    case 'number':
      if (operand.value === undefined) throw frame.error(`${operand.source} overflows int`);
      return operand.value;
    case 'string':
      return stringValue(operand.value);
    case 'variable':
      frame.at(operand);
      return operand.fields.length > 0 ? evaluateFields(frame, dot, operand, false) : frame.lookup(operand.name);
    case 'field':
    case 'chain':
      return evaluateFields(frame, dot, operand, false);
    case 'function':
      return evaluateCall(frame, dot, operand, undefined, undefined);
    case 'pipe':
      return frame.nested(() => evaluatePipe(frame, dot, operand));
  }
}

function evaluateArgument(frame: Frame, dot: Value, operand: Operand, parameter: Parameter): Value {
  frame.at(operand);
  if (parameter === 'any') return evaluateValue(frame, dot, operand);
  switch (operand.kind) {
    case 'string':
      return stringValue(operand.value);
    case 'nil':
      throw frame.error('cannot assign nil to string');
    case 'bool':
    case 'number':
      throw frame.error(`expected string; found ${nodeText(operand)}`);
    default:
      return checked(frame, evaluateValue(frame, dot, operand), parameter);
  }
}

function checked(frame: Frame, value: Value, parameter: Parameter): Value {
  if (parameter === 'any' || value.kind === 'string') return value;
  if (value.kind === 'nil') throw frame.error('invalid value; expected string');
  throw frame.error(`wrong type for value; expected string; got ${typeName(value)}`);
}

/** `.a.b`, `$x.a.b`, `(…).a.b`. Only methods take arguments, and nothing here has methods. */
function evaluateFields(
  frame: Frame,
  dot: Value,
  node: ChainNode | Extract<Operand, { kind: 'field' | 'variable' }>,
  hasArguments: boolean,
): Value {
  frame.at(node);
  const base = evaluateBase(frame, dot, node);
  const last = node.fields.length - 1;
  return node.fields.reduce((value, field, i) => evaluateField(frame, value, field, hasArguments && i === last), base);
}

function evaluateBase(frame: Frame, dot: Value, node: Operand): Value {
  switch (node.kind) {
    case 'variable':
      return frame.lookup(node.name);
    case 'chain':
      return evaluateArgument(frame, dot, node.base, 'any');
    default:
      return dot;
  }
}

function evaluateField(frame: Frame, receiver: Value, field: GoString, hasArguments: boolean): Value {
  if (receiver.kind === 'nil') throw frame.error(`nil data; no entry for key ${quote(field)}`);
  if (receiver.kind === 'struct') {
    const value = receiver.fields.get(field);
    if (value !== undefined) {
      if (hasArguments) throw frame.error(`${field} has arguments but cannot be invoked as function`);
      return value;
    }
  }
  if (receiver.kind === 'map') {
    if (hasArguments) throw frame.error(`${field} is not a method but has arguments`);
    const value = receiver.entries.get(field);
    // Go's option missingkey=error, which Docker sets.
    if (value === undefined) throw frame.error(`map has no entry for key ${quote(field)}`);
    return stringValue(value);
  }
  throw frame.error(`can't evaluate field ${field} in type ${typeName(receiver)}`);
}

/** A call. `command` holds the arguments, and is what errors of the function point at; a bare name has neither. */
function evaluateCall(
  frame: Frame,
  dot: Value,
  node: FunctionNode,
  command: Command | undefined,
  piped: Value | undefined,
): Value {
  frame.at(node);
  const called = frame.run.functions.get(node.name);
  if (called === undefined) throw frame.error(`${quote(node.name)} is not a defined function`);
  const operands = command?.rest ?? [];
  checkCount(frame, node.name, called, operands.length + (piped === undefined ? 0 : 1));

  const args: Value[] = [];
  for (const operand of operands) {
    const value = evaluateArgument(frame, dot, operand, parameterOf(called, args.length));
    if (isTrue(value) === called.stopsAt) return value;
    args.push(value);
  }
  if (piped !== undefined) args.push(checked(frame, piped, parameterOf(called, args.length)));

  frame.step();
  frame.work(args.reduce((sum, value) => sum + sizeOf(value), 0));
  const result = call(frame, called, args, node, command);
  frame.work(sizeOf(result));
  return result;
}

function call(
  frame: Frame,
  called: TemplateFunction,
  args: readonly Value[],
  node: FunctionNode,
  command: Command | undefined,
): Value {
  const first = command?.rest[0];
  const firstArgument = () => (first === undefined ? undefined : nodeText(first));
  try {
    return called.call(args, { spend: (bytes) => frame.work(bytes), firstArgument });
  } catch (error) {
    if (error instanceof TemplateError) throw error;
    frame.at(command ?? node);
    throw frame.error(`error calling ${node.name}: ${fromText(errorText(error))}`, error);
  }
}

function checkCount(frame: Frame, name: GoString, called: TemplateFunction, count: number): void {
  const wanted = called.parameters.length;
  if (called.variadic !== undefined) {
    if (count < wanted) throw frame.error(`wrong number of args for ${name}: want at least ${wanted} got ${count}`);
  } else if (count !== wanted) {
    throw frame.error(`wrong number of args for ${name}: want ${wanted} got ${count}`);
  }
}

function parameterOf(called: TemplateFunction, index: number): Parameter {
  return called.parameters[index] ?? called.variadic ?? 'any';
}

/** What a function may have to read or has made. Others than strings are bounded by the data, or tiny. */
function sizeOf(value: Value): number {
  return value.kind === 'string' ? value.value.length : 0;
}
