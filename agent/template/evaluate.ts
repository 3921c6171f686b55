import type { Body, Statement } from './ast.ts';
import { evaluatePipe } from './evaluate-pipe.ts';
import { outputText, plainText } from './format.ts';
import { Frame, type Run } from './frame.ts';
import type { GoString } from './go-string.ts';
import type { Definitions } from './parser.ts';
import { quote } from './quote.ts';
import { intValue, isTrue, NIL, sortedEntries, stringValue, type Value } from './value.ts';

/** Executes the template that has the run's own name. Throws a TemplateError. */
export function evaluate(run: Run, definitions: Definitions, data: Value): GoString {
  const evaluator = new Evaluator(run, definitions);
  evaluator.execute(run.name, data);
  return evaluator.output();
}

type Conditional = Extract<Statement, { kind: 'if' | 'with' }>;
type Range = Extract<Statement, { kind: 'range' }>;
type Call = Extract<Statement, { kind: 'template' }>;

/** How a body ended: at its end, or at a jump that its loop has to see. */
type Outcome = 'done' | 'break' | 'continue';

class Evaluator {
  readonly #run: Run;
  readonly #definitions: Definitions;
  readonly #output: GoString[] = [];

  constructor(run: Run, definitions: Definitions) {
    this.#run = run;
    this.#definitions = definitions;
  }

  output(): GoString {
    return this.#output.join('');
  }

  execute(name: GoString, dot: Value): void {
    const frame = new Frame(this.#run, name, dot);
    this.#statements(frame, dot, this.#definitions.get(name) ?? []);
  }

  #body(frame: Frame, dot: Value, body: Body): Outcome {
    return frame.nested(() => this.#statements(frame, dot, body));
  }

  #statements(frame: Frame, dot: Value, body: Body): Outcome {
    for (const statement of body) {
      const outcome = this.#statement(frame, dot, statement);
      if (outcome !== 'done') return outcome;
    }
    return 'done';
  }

  #statement(frame: Frame, dot: Value, statement: Statement): Outcome {
    frame.at(statement);
    frame.step();
    switch (statement.kind) {
      case 'text':
        this.#write(frame, statement.text);
        return 'done';
      case 'action': {
        const value = evaluatePipe(frame, dot, statement.pipe);
        frame.at(statement);
        // A declaration prints nothing.
        if (statement.pipe.variables.length === 0) this.#write(frame, outputText(value));
        return 'done';
      }
      case 'if':
      case 'with':
        return frame.scoped(() => this.#conditional(frame, dot, statement));
      case 'range':
        return frame.scoped(() => this.#range(frame, dot, statement));
      case 'template':
        this.#call(frame, dot, statement);
        return 'done';
      case 'break':
      case 'continue':
        return statement.kind;
    }
  }

  #conditional(frame: Frame, dot: Value, { kind, branches, otherwise }: Conditional): Outcome {
    for (const { pipe, body } of branches) {
      const value = evaluatePipe(frame, dot, pipe);
      if (isTrue(value)) return this.#body(frame, kind === 'with' ? value : dot, body);
    }
    return this.#body(frame, dot, otherwise);
  }

  #range(frame: Frame, dot: Value, statement: Range): Outcome {
    const { pipe, body, otherwise } = statement;
    const collection = evaluatePipe(frame, dot, pipe);
    let empty = true;
    for (const [key, item] of itemsOf(frame, collection, pipe.variables.length)) {
      empty = false;
      frame.step();
      const outcome = frame.scoped(() => {
        setLoopVariables(frame, statement, key, item);
        return this.#body(frame, item, body);
      });
      if (outcome === 'break') break;
    }
    return empty ? this.#body(frame, dot, otherwise) : 'done';
  }

  #call(frame: Frame, dot: Value, { name, pipe }: Call): void {
    if (!this.#definitions.has(name)) throw frame.error(`template ${quote(name)} not defined`);
    frame.nested(() => {
      // Variables that the pipe declares stay: Go has them last until the end of the body around.
      const argument = pipe === undefined ? NIL : evaluatePipe(frame, dot, pipe);
      this.execute(name, argument);
    });
  }

  #write(frame: Frame, text: GoString): void {
    const { budget } = this.#run;
    if (!budget.output(text.length)) throw frame.error(`output is larger than ${budget.maxOutputBytes} bytes`);
    if (text !== '') this.#output.push(text);
  }
}

/** Work that sorting one entry of a map stands for. */
const SORTED_ENTRY_BYTES = 64;

/** What a `range` goes over, in order: positions and items, sorted keys and values, or the numbers below an integer. */
function* itemsOf(frame: Frame, collection: Value, variables: number): Generator<readonly [Value, Value], void, void> {
  switch (collection.kind) {
    case 'nil':
      return;
    case 'list':
      for (const [i, item] of collection.items.entries()) yield [intValue(i), stringValue(item)];
      return;
    case 'map':
      frame.work(collection.entries.size * SORTED_ENTRY_BYTES);
      for (const [key, value] of sortedEntries(collection.entries)) yield [stringValue(key), stringValue(value)];
      return;
    case 'int': {
      const shown = plainText(collection);
      if (variables > 1) throw frame.error(`can't use ${shown} to iterate over more than one variable`);
      for (let i = 0n; i < collection.value; i++) yield [NIL, { ...collection, value: i }];
      return;
    }
    default:
      throw frame.error(`range can't iterate over ${outputText(collection)}`);
  }
}

/** One variable takes the item; of two, the first takes the key. */
function setLoopVariables(frame: Frame, { pipe }: Range, key: Value, item: Value): void {
  const [first, second] = pipe.variables;
  if (first === undefined) return;
  if (pipe.assigns) {
    frame.assign(first, second === undefined ? item : key);
    if (second !== undefined) frame.assign(second, item);
    return;
  }
  frame.setRecent(1, item);
  if (second !== undefined) frame.setRecent(2, key);
}
