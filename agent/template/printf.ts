import { type Directive, formatValue, plainText } from './format.ts';
import { type GoString, runeAt } from './go-string.ts';
import { typeName, type Value } from './value.ts';

/** Go takes no larger width or precision from an argument, and stops reading digits beyond it. */
const MAX_NUMBER = 1_000_000;

/** The digits of a float come from integers of up to a thousand bits: worth a page of plain copying. */
const FLOAT_COST_BYTES = 4096;

const FLAGS = { '+': 'plus', '-': 'minus', '#': 'sharp', ' ': 'space', '0': 'zero' } as const;
type Flags = { [K in (typeof FLAGS)[keyof typeof FLAGS]]?: true };

/**
 * `printf`: Go's fmt.Sprintf, argument indexes and `*` included. What does not fit is said in the result, as in Go
 * (`%!d(string=x)`, `%!s(MISSING)`, `%!(EXTRA …)`). `spend` is told what it costs, in bytes, and throws to stop it: a
 * short format can ask for very much.
 */
export function sprintf(format: GoString, args: readonly Value[], spend: (bytes: number) => void): GoString {
  return new Printer(format, args, spend).print();
}

class Printer {
  readonly #format: GoString;
  readonly #args: readonly Value[];
  readonly #spend: (bytes: number) => void;
  #pos = 0;
  #arg = 0;
  /** An index such as `[2]` was used: then unused arguments are no mistake. */
  #reordered = false;
  /** The directive being read has only usable indexes so far. */
  #goodIndex = true;
  #parts: GoString[] = [];

  constructor(format: GoString, args: readonly Value[], spend: (bytes: number) => void) {
    this.#format = format;
    this.#args = args;
    this.#spend = spend;
  }

  print(): GoString {
    while (this.#pos < this.#format.length) {
      const percent = this.#format.indexOf('%', this.#pos);
      this.#write(this.#format.slice(this.#pos, percent < 0 ? undefined : percent));
      if (percent < 0) break;
      this.#pos = percent + 1;
      this.#write(this.#directive());
    }
    if (!this.#reordered && this.#arg < this.#args.length) this.#write(this.#extra());
    return this.#parts.join('');
  }

  #write(text: GoString): void {
    this.#spend(text.length);
    this.#parts.push(text);
  }

  #extra(): GoString {
    const left = this.#args.slice(this.#arg);
    const shown = left.map((value) => (value.kind === 'nil' ? '<nil>' : `${typeName(value)}=${plainText(value)}`));
    return `%!(EXTRA ${shown.join(', ')})`;
  }

  /** Reads the directive after a `%` and returns what it prints. */
  #directive(): GoString {
    this.#goodIndex = true;
    const flags = this.#flags();
    let indexed = this.#index();
    const notes: GoString[] = [];

    let width: number | undefined;
    if (this.#take('*')) {
      width = this.#numberArgument();
      if (width === undefined) notes.push('%!(BADWIDTH)');
      indexed = false;
    } else {
      width = this.#digits();
      // `%[3]2d`: an index belongs to a verb or a star.
      if (indexed && width !== undefined) this.#goodIndex = false;
    }
    if (width !== undefined && width < 0) {
      width = -width;
      flags.minus = true;
    }

    let precision: number | undefined;
    // A point that ends the format is taken for the verb.
    if (this.#pos + 1 < this.#format.length && this.#take('.')) {
      if (indexed) this.#goodIndex = false;
      indexed = this.#index();
      if (this.#take('*')) {
        precision = this.#numberArgument();
        if (precision === undefined || precision < 0) {
          precision = undefined;
          notes.push('%!(BADPREC)');
        }
        indexed = false;
      } else {
        precision = this.#digits() ?? 0;
      }
    }
    if (!indexed) this.#index();
    return notes.join('') + this.#verb({ ...flags, width, precision });
  }

  #verb(options: Omit<Directive, 'verb'>): GoString {
    if (this.#pos >= this.#format.length) return '%!(NOVERB)';
    const { width } = runeAt(this.#format, this.#pos);
    const verb = this.#format.slice(this.#pos, this.#pos + width);
    this.#pos += width;
    if (verb === '%') return '%';
    if (!this.#goodIndex) return `%!${verb}(BADINDEX)`;
    const value = this.#args[this.#arg];
    if (value === undefined) return `%!${verb}(MISSING)`;
    this.#arg++;
    if (value.kind === 'float') this.#spend(FLOAT_COST_BYTES);
    if (verb !== 'v' && verb !== 'w') return formatValue(value, { ...options, verb });
    // For these verbs two flags mean something else.
    const { sharp = false, plus = false, ...rest } = options;
    return formatValue(value, { ...rest, verb, goSyntax: sharp, named: plus && !sharp });
  }

  #flags(): Flags {
    const flags: Flags = {};
    for (;;) {
      const char = this.#format[this.#pos] ?? '';
      if (char !== '+' && char !== '-' && char !== '#' && char !== ' ' && char !== '0') return flags;
      flags[FLAGS[char]] = true;
      this.#pos++;
    }
  }

  /** `[2]`: which argument comes next, counted from 1. True if a number was read, usable or not. */
  #index(): boolean {
    if (this.#format[this.#pos] !== '[') return false;
    this.#reordered = true;
    const end = this.#format.indexOf(']', this.#pos);
    // Go looks for an index only where one of three bytes has room.
    if (end < 0 || this.#pos + 3 > this.#format.length) {
      this.#goodIndex = false;
      this.#pos++;
      return false;
    }
    const text = this.#format.slice(this.#pos + 1, end);
    this.#pos = end + 1;
    const wellFormed = /^[0-9]+$/.test(text);
    const number = wellFormed ? Number(text) : 0;
    if (number >= 1 && number <= this.#args.length) this.#arg = number - 1;
    else this.#goodIndex = false;
    return wellFormed;
  }

  #take(char: string): boolean {
    if (this.#format[this.#pos] !== char) return false;
    this.#pos++;
    return true;
  }

  #digits(): number | undefined {
    let number: number | undefined;
    for (;;) {
      const char = this.#format[this.#pos] ?? '';
      if (char < '0' || char > '9' || char === '') return number;
      if ((number ?? 0) > MAX_NUMBER) {
        // Go gives up on the whole rest of the format.
        this.#pos = this.#format.length;
        return undefined;
      }
      number = (number ?? 0) * 10 + Number(char);
      this.#pos++;
    }
  }

  /** The value of a `*`; undefined if the argument is missing, no integer, or beyond all bounds. */
  #numberArgument(): number | undefined {
    const value = this.#args[this.#arg];
    if (value === undefined) return undefined;
    this.#arg++;
    if (value.kind !== 'int' || value.value > MAX_NUMBER || value.value < -MAX_NUMBER) return undefined;
    return Number(value.value);
  }
}
