import { type Command, nodeText, type Operand, type Pipe } from './ast.ts';
import type { GoString } from './go-string.ts';
import { type Constant, readChar, readNumber } from './number.ts';
import { quote, unquote } from './quote.ts';
import type { Token } from './token.ts';
import type { TokenStream } from './token-stream.ts';

/** Operands that are values by themselves and cannot take the result of the command before them. */
const NOT_EXECUTABLE: ReadonlySet<Operand['kind']> = new Set(['bool', 'dot', 'nil', 'number', 'string']);

/** Looking one up walks them all, so their number is bounded; nobody writes this many. */
const MAX_VARIABLES = 200;

/** Reads pipelines, and knows the variables in scope: one parser per body with variables of its own. */
export class PipeParser {
  readonly #tokens: TokenStream;
  readonly #functions: ReadonlySet<string>;
  readonly #variables: GoString[] = ['$'];

  constructor(tokens: TokenStream, functions: ReadonlySet<string>) {
    this.#tokens = tokens;
    this.#functions = functions;
  }

  /** Variables declared from here on are forgotten by `closeScope` with the number returned. */
  openScope(): number {
    return this.#variables.length;
  }

  closeScope(scope: number): void {
    this.#variables.length = scope;
  }

  /** A pipeline up to and including the token `end`. `context` names in errors what it belongs to. */
  pipe(context: string, end: 'close' | 'rightParen'): Pipe {
    const pos = this.#tokens.peekNonSpace().pos;
    const { variables, assigns } = this.#declarations(context);
    const commands: Command[] = [];
    while (this.#tokens.peekNonSpace().kind !== end) commands.push(this.#command(context));
    if (commands.length === 0) throw this.#tokens.error(`missing value for ${context}`);
    this.#tokens.next();
    const stray = commands.findIndex((command, i) => i > 0 && NOT_EXECUTABLE.has(command.first.kind));
    if (stray > 0) throw this.#tokens.error(`non executable command in pipeline stage ${stray + 1}`);
    return { kind: 'pipe', pos, variables, assigns, commands };
  }

  /** `$x :=`, `$x =`, and in a range `$i, $x :=`. */
  #declarations(context: string): { readonly variables: readonly GoString[]; readonly assigns: boolean } {
    const variables: GoString[] = [];
    while (this.#tokens.peekNonSpace().kind === 'variable') {
      const after = this.#tokens.peekSecondNonSpace();
      const separator = after.kind === 'other' && after.text === ',';
      if (after.kind !== 'assign' && after.kind !== 'declare' && !separator) break;
      const name = this.#tokens.next().text;
      this.#tokens.nextNonSpace();
      variables.push(name);
      this.#variables.push(name);
      if (this.#variables.length > MAX_VARIABLES) throw this.#tokens.error(`more than ${MAX_VARIABLES} variables`);
      if (!separator) return { variables, assigns: after.kind === 'assign' };
      this.#checkSecond(context, variables.length);
    }
    return { variables, assigns: false };
  }

  #checkSecond(context: string, known: number): void {
    if (context !== 'range' || known > 1) throw this.#tokens.error(`too many declarations in ${context}`);
    const next = this.#tokens.peekNonSpace().kind;
    if (next !== 'variable' && next !== 'close' && next !== 'rightParen') {
      throw this.#tokens.error('range can only initialize variables');
    }
  }

  /** Operands up to a `|`, which is taken, or the end of the pipeline, which is not. */
  #command(context: string): Command {
    const pos = this.#tokens.peekNonSpace().pos;
    const first = this.#operand();
    if (first === undefined) throw this.#tokens.unexpected(this.#tokens.next(), context);
    const rest: Operand[] = [];
    for (;;) {
      const token = this.#tokens.peek();
      if (token.kind === 'close' || token.kind === 'rightParen') break;
      this.#tokens.next();
      if (token.kind === 'pipe') break;
      if (token.kind !== 'space') throw this.#tokens.unexpected(token, 'operand');
      this.#tokens.peekNonSpace();
      const operand = this.#operand();
      if (operand !== undefined) rest.push(operand);
    }
    return { kind: 'command', pos, first, rest };
  }

  /** A term and the fields taken from it; undefined, with nothing taken, if no operand starts here. */
  #operand(): Operand | undefined {
    const term = this.#term();
    if (term === undefined || this.#tokens.peek().kind !== 'field') return term;
    const pos = this.#tokens.peek().pos;
    const fields: GoString[] = [];
    while (this.#tokens.peek().kind === 'field') fields.push(this.#tokens.next().text.slice(1));
    switch (term.kind) {
      case 'field':
      case 'variable':
        return { ...term, pos, fields: [...term.fields, ...fields] };
      case 'function':
      case 'pipe':
        return { kind: 'chain', pos, base: term, fields };
      default:
        throw this.#tokens.error(`unexpected . after term ${quote(nodeText(term))}`);
    }
  }

  #term(): Operand | undefined {
    const token = this.#tokens.peek();
    const { pos, text } = token;
    switch (token.kind) {
      case 'dot':
      case 'nil':
        this.#tokens.next();
        return { kind: token.kind, pos };
      case 'bool':
        this.#tokens.next();
        return { kind: 'bool', pos, value: text === 'true' };
      case 'field':
        this.#tokens.next();
        return { kind: 'field', pos, fields: [text.slice(1)] };
      case 'number':
        return this.#constant(this.#tokens.next(), readNumber(text));
      case 'char':
        return this.#constant(this.#tokens.next(), readChar(text));
      case 'string':
      case 'rawString':
        return this.#string(this.#tokens.next());
      case 'identifier':
        return this.#function(this.#tokens.next());
      case 'variable':
        return this.#variable(this.#tokens.next());
      case 'leftParen':
        return this.#parenthesized();
      default:
        return undefined;
    }
  }

  #constant(token: Token, constant: Constant): Operand {
    if (constant.kind === 'error') throw this.#tokens.error(constant.message);
    const value = constant.kind === 'value' ? constant.value : undefined;
    return { kind: 'number', pos: token.pos, source: token.text, value };
  }

  #string(token: Token): Operand {
    const value = unquote(token.text);
    if (value === undefined) throw this.#tokens.error('invalid syntax');
    return { kind: 'string', pos: token.pos, source: token.text, value };
  }

  #function(token: Token): Operand {
    if (!this.#functions.has(token.text)) throw this.#tokens.error(`function ${quote(token.text)} not defined`);
    return { kind: 'function', pos: token.pos, name: token.text };
  }

  #variable(token: Token): Operand {
    if (!this.#variables.includes(token.text)) throw this.#tokens.error(`undefined variable ${quote(token.text)}`);
    return { kind: 'variable', pos: token.pos, name: token.text, fields: [] };
  }

  #parenthesized(): Pipe {
    this.#tokens.next();
    this.#tokens.nest();
    const pipe = this.pipe('parenthesized pipeline', 'rightParen');
    this.#tokens.unnest();
    return pipe;
  }
}
