/**
 * Floating-point numbers as Go's strconv writes them. Digits come from exact integer arithmetic, so every precision is
 * correctly rounded; JavaScript's own formatting is used for the shortest form only, where both give the same digits.
 */

/** Significant digits of a positive number: 0.d1d2d3… times 10^point. Zero has none, and point 0. */
interface Decimal {
  readonly digits: string;
  readonly point: number;
}

const MANTISSA_BITS = 52;
const EXPONENT_BIAS = 1023;

export type FloatVerb = 'e' | 'f' | 'g' | 'b' | 'x';

/**
 * `value` without its sign, which must be finite. `precision` is the number of digits after the point (of significant
 * digits for `g`); undefined means as many as needed to read the same number back.
 */
export function formatFloat(value: number, verb: FloatVerb, precision: number | undefined): string {
  const magnitude = Math.abs(value);
  switch (verb) {
    case 'b': {
      const { mantissa, exponent } = binary(magnitude);
      return `${mantissa}p${signed(exponent, 1)}`;
    }
    case 'x':
      return hexadecimal(magnitude, precision);
    case 'e':
      return scientific(decimal(magnitude, precision === undefined ? undefined : precision + 1), precision);
    case 'f':
      return fixed(precision === undefined ? shortest(magnitude) : fixedDigits(magnitude, precision), precision);
    case 'g':
      return general(magnitude, precision);
  }
}

/** From this exponent on, a shortest `%g` is written like `%e`; below it, when it has that many digits. */
const SHORTEST_EXPONENT = 6;
const LEAST_FIXED_EXPONENT = -4;

function general(value: number, precision: number | undefined): string {
  const wanted = precision === 0 ? 1 : precision;
  const number = decimal(value, wanted);
  const exponent = number.point - 1;
  const { length } = number.digits;
  let limit = wanted ?? SHORTEST_EXPONENT;
  if (wanted !== undefined && limit > length && length >= number.point) limit = length;
  if (precision === undefined) limit = Math.max(limit, SHORTEST_EXPONENT);
  if (exponent < LEAST_FIXED_EXPONENT || exponent >= limit) return scientific(number, Math.max(length, 1) - 1);
  return fixed(number, Math.max(length - number.point, 0));
}

function scientific({ digits, point }: Decimal, precision: number | undefined): string {
  const places = precision ?? Math.max(digits.length - 1, 0);
  const first = digits === '' ? '0' : digits.slice(0, 1);
  const fraction = digits.slice(1).padEnd(places, '0');
  const exponent = digits === '' ? 0 : point - 1;
  return `${first}${places > 0 ? `.${fraction}` : ''}e${signed(exponent, 2)}`;
}

function fixed({ digits, point }: Decimal, precision: number | undefined): string {
  const places = precision ?? Math.max(digits.length - point, 0);
  const whole = point > 0 ? digits.slice(0, point).padEnd(point, '0') : '0';
  const fraction = ('0'.repeat(Math.max(-point, 0)) + digits.slice(Math.max(point, 0))).slice(0, places);
  return places > 0 ? `${whole}.${fraction.padEnd(places, '0')}` : whole;
}

function decimal(value: number, significant: number | undefined): Decimal {
  return significant === undefined ? shortest(value) : round(exact(value), significant);
}

function fixedDigits(value: number, places: number): Decimal {
  const number = exact(value);
  return round(number, number.point + places);
}

/** The fewest digits that read back as the same number: what JavaScript prints. */
function shortest(value: number): Decimal {
  if (value === 0) return { digits: '', point: 0 };
  const [digits = '', exponent = ''] = value.toExponential().split('e');
  return { digits: digits.replace('.', ''), point: Number(exponent) + 1 };
}

/** All digits: a binary fraction always ends in decimal too. */
function exact(value: number): Decimal {
  if (value === 0) return { digits: '', point: 0 };
  const { mantissa, exponent } = binary(value);
  // m * 2^-n is m * 5^n / 10^n.
  const scaled = exponent >= 0 ? mantissa << BigInt(exponent) : mantissa * 5n ** BigInt(-exponent);
  const text = scaled.toString();
  return { digits: text.replace(/0+$/, ''), point: text.length + Math.min(exponent, 0) };
}

/** Keeps `count` digits, to the nearest, ties to even. */
function round({ digits, point }: Decimal, count: number): Decimal {
  if (count >= digits.length) return { digits, point };
  if (count < 0) return { digits: '', point: 0 };
  const kept = digits.slice(0, count);
  const rest = digits.slice(count);
  const tie = /^50*$/.test(rest);
  const odd = Number(kept.slice(-1)) % 2 === 1;
  const up = tie ? odd : rest >= '5';
  if (!up) return trimmed(kept, point);
  const next = (BigInt(kept === '' ? 0 : kept) + 1n).toString();
  return trimmed(next, next.length > kept.length ? point + 1 : point);
}

function trimmed(digits: string, point: number): Decimal {
  const significant = digits.replace(/0+$/, '');
  return significant === '' ? { digits: '', point: 0 } : { digits: significant, point };
}

/** value = mantissa * 2^exponent, the mantissa with all its bits (IEEE 754 binary64). */
function binary(value: number): { readonly mantissa: bigint; readonly exponent: number } {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const biased = Number(bits >> BigInt(MANTISSA_BITS));
  const fraction = bits & (2n ** BigInt(MANTISSA_BITS) - 1n);
  const mantissa = biased === 0 ? fraction : fraction | (2n ** BigInt(MANTISSA_BITS));
  return { mantissa, exponent: Math.max(biased, 1) - EXPONENT_BIAS - MANTISSA_BITS };
}

const HEX_FRACTION_DIGITS = MANTISSA_BITS / 4;

function hexadecimal(value: number, precision: number | undefined): string {
  if (value === 0) return `0x0${precision === undefined || precision === 0 ? '' : `.${'0'.repeat(precision)}`}p+00`;
  let { mantissa, exponent } = binary(value);
  while (mantissa < 2n ** BigInt(MANTISSA_BITS)) {
    mantissa <<= 1n;
    exponent--;
  }
  if (precision !== undefined && precision < HEX_FRACTION_DIGITS) {
    const dropped = BigInt(4 * (HEX_FRACTION_DIGITS - precision));
    mantissa = roundBits(mantissa, dropped) << dropped;
    if (mantissa >= 2n ** BigInt(MANTISSA_BITS + 1)) {
      mantissa >>= 1n;
      exponent++;
    }
  }
  const digits = mantissa.toString(16);
  const places = precision ?? digits.replace(/0+$/, '').length - 1;
  const fraction = digits.slice(1).padEnd(places, '0').slice(0, Math.max(places, 0));
  return `0x1${fraction === '' ? '' : `.${fraction}`}p${signed(exponent + MANTISSA_BITS, 2)}`;
}

function roundBits(value: bigint, dropped: bigint): bigint {
  const kept = value >> dropped;
  const rest = value - (kept << dropped);
  const half = 1n << (dropped - 1n);
  return rest > half || (rest === half && kept % 2n === 1n) ? kept + 1n : kept;
}

function signed(exponent: number, digits: number): string {
  return (exponent < 0 ? '-' : '+') + String(Math.abs(exponent)).padStart(digits, '0');
}
