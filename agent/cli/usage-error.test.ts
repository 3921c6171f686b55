import { expect, it } from 'vitest';
import { usageError } from './usage-error.ts';

it.each<[string, string | undefined, string, string]>([
  [
    "error: unknown option '--tokn'\n(Did you mean --token?)",
    'join',
    "unknown option '--tokn'",
    'Did you mean --token?',
  ],
  ["error: unknown command 'x'", undefined, "unknown command 'x'", 'See "netd --help".'],
  [
    "error: option '--availability <availability>' argument 'activ' is invalid. Allowed choices are active, pause, drain.",
    'join',
    'bad value "activ" for --availability',
    'Allowed: active, pause, drain (did you mean "active"?).',
  ],
  [
    "error: option '--timeout <time>' argument 'it's' is invalid. Allowed: seconds.",
    'join',
    'bad value "it\'s" for --timeout',
    'Allowed: seconds.',
  ],
  [
    "error: command-argument value 'networks' is invalid for argument 'topic'. Allowed choices are node, tasks, certs.",
    'inspect',
    'bad value "networks" for topic',
    'Allowed: node, tasks, certs.',
  ],
])('%s', (text, command, message, mend) => {
  expect(usageError(text, command)).toMatchObject({ code: 'usage', message, mend });
});
