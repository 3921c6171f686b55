import { didYouMean } from '#agent/config/nearest.ts';
import { NetdError } from '#base/errors.ts';

/** What commander says about a value that is not among the choices, or that its parser refused. */
const BAD_VALUE =
  /^(?:option '(?<flag>\S+).*?' argument|command-argument value) '(?<value>.*)' is invalid(?: for argument '(?<argument>.*)')?\. (?:Allowed choices are (?<choices>.*?)|(?<reason>.*?))\.?$/s;

/**
 * A complaint of commander, such as `error: unknown option '--tokn'\n(Did you mean --token?)`, as an error of ours: what is
 * wrong, then what is allowed, or where help is.
 */
export function usageError(text: string, command: string | undefined): NetdError {
  const [first = '', ...rest] = text.replace(/^error: /, '').split('\n');
  const bad = BAD_VALUE.exec(first)?.groups;
  if (bad) {
    const { flag, argument, value = '', choices, reason } = bad;
    const guess = choices === undefined ? '' : didYouMean(value, choices.split(', '));
    return new NetdError('usage', `bad value ${JSON.stringify(value)} for ${flag ?? argument}`, {
      mend: choices === undefined ? `${reason}.` : `Allowed: ${choices}${guess}.`,
    });
  }
  const hint = rest.join(' ').replace(/^\((.*)\)$/, '$1');
  const help = command === undefined ? 'See "netd --help".' : `See "netd ${command} --help".`;
  return new NetdError('usage', first.replace(/\.$/, ''), { mend: hint === '' ? help : hint });
}
