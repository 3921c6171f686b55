import { type Node, nodeText } from './ast.ts';
import { Budget, MAX_DEPTH, MAX_STEPS, MAX_WORK_BYTES } from './budget.ts';
import { TemplateError } from './error.ts';
import type { Functions } from './functions.ts';
import { type GoString, toText } from './go-string.ts';
import { quote } from './quote.ts';
import type { Value } from './value.ts';

/** What one expansion shares among all its frames. */
export class Run {
  readonly name: GoString;
  readonly text: GoString;
  readonly functions: Functions;
  readonly budget: Budget;

  constructor(name: GoString, text: GoString, functions: Functions, maxOutputBytes: number) {
    this.name = name;
    this.text = text;
    this.functions = functions;
    this.budget = new Budget(maxOutputBytes);
  }
}

/** One execution of one template: its variables, and where it is, for errors. */
export class Frame {
  readonly run: Run;
  readonly #template: GoString;
  readonly #variables: { readonly name: GoString; value: Value }[];
  #node: Node | undefined;

  constructor(run: Run, template: GoString, dot: Value) {
    this.run = run;
    this.#template = template;
    this.#variables = [{ name: '$', value: dot }];
  }

  /** Errors point here from now on, until the next call. Like Go's, this is the node begun last, even if it is done. */
  at(node: Node): void {
    this.#node = node;
  }

  error(message: GoString, cause?: unknown): TemplateError {
    const { name, text } = this.run;
    const template = toText(name);
    if (this.#node === undefined) return new TemplateError(`template: ${template}: ${toText(message)}`, { template });
    const { line, column } = locate(text, this.#node.pos);
    const place = `${name}:${line}:${column}: executing ${quote(this.#template)} at <${nodeText(this.#node)}>`;
    return new TemplateError(toText(`template: ${place}: ${message}`), { template, line, cause });
  }

  step(): void {
    if (!this.run.budget.step()) throw this.error(`exceeded maximum number of steps (${MAX_STEPS})`);
  }

  work(bytes: number): void {
    if (!this.run.budget.work(bytes)) throw this.error(`exceeded maximum work of functions (${MAX_WORK_BYTES} bytes)`);
  }

  /** Runs `body` one level deeper. */
  nested<T>(body: () => T): T {
    if (!this.run.budget.enter()) throw this.error(`exceeded maximum template depth (${MAX_DEPTH})`);
    const result = body();
    this.run.budget.leave();
    return result;
  }

  declare(name: GoString, value: Value): void {
    this.#variables.push({ name, value });
  }

  assign(name: GoString, value: Value): void {
    this.#find(name).value = value;
  }

  lookup(name: GoString): Value {
    return this.#find(name).value;
  }

  /** Sets the variable declared last (1), or the one before it (2). */
  setRecent(back: 1 | 2, value: Value): void {
    const variable = this.#variables.at(-back);
    if (variable !== undefined) variable.value = value;
  }

  /** Runs `body`; variables it declares are gone afterwards. */
  scoped<T>(body: () => T): T {
    const known = this.#variables.length;
    const result = body();
    this.#variables.length = known;
    return result;
  }

  #find(name: GoString): { readonly name: GoString; value: Value } {
    const variable = this.#variables.findLast((candidate) => candidate.name === name);
    if (variable === undefined) throw this.error(`undefined variable: ${name}`);
    return variable;
  }
}

/** Line from 1 and column from 0, in bytes, as Go counts them. */
function locate(text: GoString, pos: number): { readonly line: number; readonly column: number } {
  const before = text.slice(0, pos);
  return { line: before.split('\n').length, column: pos - (before.lastIndexOf('\n') + 1) };
}
