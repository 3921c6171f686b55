const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A length of time for people: one unit, or two while the first is small. `42 s`, `5 min`, `2 h 10 min`, `80 days`. */
export function duration(ms: number): string {
  const whole = Math.max(0, Math.floor(ms / SECOND) * SECOND);
  if (whole < MINUTE) return `${whole / SECOND} s`;
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)} min`;
  if (whole < DAY) return `${Math.floor(whole / HOUR)} h${minor(whole, HOUR, MINUTE, 'min')}`;
  const days = Math.floor(whole / DAY);
  return `${days} ${days === 1 ? 'day' : 'days'}${minor(whole, DAY, HOUR, 'h')}`;
}

function minor(ms: number, major: number, unit: number, name: string): string {
  if (ms >= 3 * major) return '';
  const rest = Math.floor((ms % major) / unit);
  return rest === 0 ? '' : ` ${rest} ${name}`;
}

/** How long before `at` the moment `since` was. */
export function durationSince(since: string, at: string): string {
  return duration(Date.parse(at) - Date.parse(since));
}

/** `2026-05-29 12:00 UTC`: unmistakable, sortable, short. */
export function dateAndTime(moment: string): string {
  return `${moment.slice(0, 10)} ${moment.slice(11, 16)} UTC`;
}

/** `2 m 5 s` never: a limit of time as a flag has it, `20s`, `5m`, `1h`, or plain seconds; undefined if it is none. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,7})(ms|s|m|h)?$/.exec(text);
  if (!match) return undefined;
  const units = { ms: 1, s: SECOND, m: MINUTE, h: HOUR };
  const unit = match[2] === 'ms' || match[2] === 'm' || match[2] === 'h' ? match[2] : 's';
  return Number(match[1]) * units[unit];
}
