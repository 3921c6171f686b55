import type { Body, Branch, Pipe, Statement } from './ast.ts';
import type { GoString } from './go-string.ts';
import { PipeParser } from './pipe-parser.ts';
import { quote, unquote } from './quote.ts';
import type { Token } from './token.ts';
import { TokenStream } from './token-stream.ts';

/** A template and what it defines, by name: the text itself is among them, under the template's own name. */
export type Definitions = ReadonlyMap<GoString, Body>;

/**
 * Reads a template: `name` is its name in errors and in `{{template}}`, `functions` the names that may be called.
 * Throws a TemplateError in the words of Go's parser.
 */
export function parse(name: GoString, text: GoString, functions: ReadonlySet<string>): Definitions {
  return new Parser(name, text, functions).parse();
}

/** How a list of statements ended. */
type Ending = 'end' | 'else';

class Parser {
  readonly #name: GoString;
  readonly #tokens: TokenStream;
  readonly #functions: ReadonlySet<string>;
  readonly #definitions = new Map<GoString, Body>();
  #pipes: PipeParser;
  /** How many `range` bodies enclose the statement being read: `break` and `continue` need one. */
  #ranges = 0;

  constructor(name: GoString, text: GoString, functions: ReadonlySet<string>) {
    this.#name = name;
    this.#tokens = new TokenStream(name, text);
    this.#functions = functions;
    this.#pipes = new PipeParser(this.#tokens, functions);
  }

  parse(): Definitions {
    const statements: Statement[] = [];
    while (this.#tokens.peek().kind !== 'end of text') {
      if (this.#tokens.peek().kind === 'open' && this.#tokens.peekSecondNonSpace().kind === 'define') {
        this.#definition();
        continue;
      }
      const statement = this.#statement();
      if (typeof statement === 'string') throw this.#tokens.error(`unexpected {{${statement}}}`);
      statements.push(statement);
    }
    this.#define(this.#name, statements);
    return this.#definitions;
  }

  /** `{{define "name"}} … {{end}}`. */
  #definition(): void {
    this.#tokens.next();
    this.#tokens.nextNonSpace();
    const { name } = this.#templateName('define clause');
    this.#tokens.expect('close', 'define clause');
    const { body, ending } = this.#ownBody();
    if (ending !== 'end') throw this.#tokens.error('unexpected {{else}} in define clause');
    this.#define(name, body);
  }

  /** A text of nothing but space does not count: it neither conflicts with another definition nor replaces one. */
  #define(name: GoString, body: Body): void {
    const known = this.#definitions.get(name);
    if (known === undefined || isBlank(known)) {
      this.#definitions.set(name, body);
    } else if (!isBlank(body)) {
      throw this.#tokens.error(`template: multiple definition of template ${quote(name)}`);
    }
  }

  /** A body that sees none of the variables and ranges around it. */
  #ownBody(): { readonly body: Body; readonly ending: Ending } {
    const [pipes, ranges] = [this.#pipes, this.#ranges];
    this.#pipes = new PipeParser(this.#tokens, this.#functions);
    this.#ranges = 0;
    const result = this.#body();
    this.#pipes = pipes;
    this.#ranges = ranges;
    return result;
  }

  #body(): { readonly body: Body; readonly ending: Ending } {
    const body: Statement[] = [];
    this.#tokens.nest();
    while (this.#tokens.peekNonSpace().kind !== 'end of text') {
      const statement = this.#statement();
      if (typeof statement === 'string') {
        this.#tokens.unnest();
        return { body, ending: statement };
      }
      body.push(statement);
    }
    throw this.#tokens.error('unexpected EOF');
  }

  #statement(): Statement | Ending {
    const token = this.#tokens.nextNonSpace();
    if (token.kind === 'text') return { kind: 'text', pos: token.pos, text: token.text };
    if (token.kind !== 'open') throw this.#tokens.unexpected(token, 'input');
    this.#tokens.enterAction(token.line);
    const statement = this.#action();
    this.#tokens.leaveAction();
    return statement;
  }

  #action(): Statement | Ending {
    const token = this.#tokens.peekNonSpace();
    switch (token.kind) {
      case 'if':
      case 'with':
        return this.#conditional(this.#tokens.next(), token.kind);
      case 'range':
        return this.#range(this.#tokens.next());
      case 'template':
        this.#tokens.next();
        return this.#template();
      case 'block':
        this.#tokens.next();
        return this.#block();
      case 'break':
      case 'continue':
        return this.#jump(this.#tokens.next(), token.kind);
      case 'end':
        this.#tokens.next();
        this.#tokens.expect('close', 'end');
        return 'end';
      case 'else':
        return this.#else();
      default:
        return { kind: 'action', pos: token.pos, pipe: this.#pipes.pipe('command', 'close') };
    }
  }

  #else(): Ending {
    this.#tokens.next();
    const follows = this.#tokens.peekNonSpace().kind;
    // `else if` and `else with` go on as the branch that follows; whether one may stand here is decided there.
    if (follows !== 'if' && follows !== 'with') this.#tokens.expect('close', 'else');
    return 'else';
  }

  #conditional(keyword: Token, kind: 'if' | 'with'): Statement {
    const scope = this.#pipes.openScope();
    const branches: Branch[] = [];
    let otherwise: Body = [];
    for (;;) {
      const pipe = this.#pipes.pipe(kind, 'close');
      const { body, ending } = this.#body();
      branches.push({ pipe, body });
      if (ending === 'end') break;
      if (this.#tokens.peek().kind === kind) {
        this.#tokens.next();
        continue;
      }
      otherwise = this.#lastBody();
      break;
    }
    this.#pipes.closeScope(scope);
    return { kind, pos: keyword.pos, branches, otherwise };
  }

  #range(keyword: Token): Statement {
    const scope = this.#pipes.openScope();
    const pipe = this.#pipes.pipe('range', 'close');
    this.#ranges++;
    const { body, ending } = this.#body();
    this.#ranges--;
    const otherwise = ending === 'else' ? this.#lastBody() : [];
    this.#pipes.closeScope(scope);
    return { kind: 'range', pos: keyword.pos, pipe, body, otherwise };
  }

  #lastBody(): Body {
    const { body, ending } = this.#body();
    if (ending !== 'end') throw this.#tokens.error('expected end; found {{else}}');
    return body;
  }

  /** `{{template "name" pipe?}}`. */
  #template(): Statement {
    const { name, pos } = this.#templateName('template clause');
    let pipe: Pipe | undefined;
    if (this.#tokens.peekNonSpace().kind === 'close') this.#tokens.next();
    else pipe = this.#pipes.pipe('template clause', 'close');
    return { kind: 'template', pos, name, pipe };
  }

  /** `{{block "name" pipe}} … {{end}}`: defines a template and runs it on the spot. */
  #block(): Statement {
    const { name, pos } = this.#templateName('block clause');
    const pipe = this.#pipes.pipe('block clause', 'close');
    const { body, ending } = this.#ownBody();
    if (ending !== 'end') throw this.#tokens.error('unexpected {{else}} in block clause');
    this.#define(name, body);
    return { kind: 'template', pos, name, pipe };
  }

  #jump(keyword: Token, kind: 'break' | 'continue'): Statement {
    this.#tokens.expect('close', `{{${kind}}}`);
    if (this.#ranges === 0) throw this.#tokens.error(`{{${kind}}} outside {{range}}`);
    return { kind, pos: keyword.pos };
  }

  #templateName(context: string): { readonly name: GoString; readonly pos: number } {
    const token = this.#tokens.nextNonSpace();
    if (token.kind !== 'string' && token.kind !== 'rawString') throw this.#tokens.unexpected(token, context);
    const name = unquote(token.text);
    if (name === undefined) throw this.#tokens.error('invalid syntax');
    return { name, pos: token.pos };
  }
}

function isBlank(body: Body): boolean {
  return body.every((statement) => statement.kind === 'text' && !/[^ \t\r\n\v\f]/.test(statement.text));
}
