import { NetdError } from '#base/errors.ts';

/** The exit statuses of every command, as `netd --help` documents them. */
export const EXIT = {
  ok: 0,
  error: 1,
  /** The command line or the configuration is wrong; nothing was touched. */
  usage: 2,
  /** The agent answers, and the node is not Ready or something is wrong with it. */
  degraded: 3,
  /** No agent answers. */
  unreachable: 4,
} as const;
export type ExitStatus = (typeof EXIT)[keyof typeof EXIT];

/** Kinds of errors that are told before anything is touched, so that mending the input and trying again is safe. */
const USAGE_CODES: readonly string[] = [
  'usage',
  'bad-config',
  'bad-token',
  'bad-address',
  'address-not-local',
  'address-ambiguous',
];
const UNREACHABLE_CODES: readonly string[] = ['daemon-unreachable', 'daemon-mismatch'];

export function exitStatusOf(error: unknown): ExitStatus {
  if (error instanceof AggregateError) return exitStatusOf(error.errors[0]);
  if (!(error instanceof NetdError)) return EXIT.error;
  if (USAGE_CODES.includes(error.code)) return EXIT.usage;
  return UNREACHABLE_CODES.includes(error.code) ? EXIT.unreachable : EXIT.error;
}
