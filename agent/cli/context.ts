import type { Command } from 'commander';
import type { ApiClient } from '#agent/api/client.ts';
import { withoutTokens } from '#agent/api/secrets.ts';
import { errorChain, NetdError } from '#base/errors.ts';
import type { CliDeps } from './deps.ts';
import { COLOURS, NO_COLOURS, printable, type Screen } from './text.ts';

/** What every command is given. */
export interface CliContext {
  readonly deps: CliDeps;
  readonly screen: Screen;
  readonly out: (text: string) => void;
  /** A line on standard error, cleaned of tokens and control characters. */
  readonly note: (line: string) => void;
  /** What to do about the line before: `  → mend`. */
  readonly advise: (mend: string) => void;
  /** Called once by the command that ran. */
  readonly finish: (status: number) => void;
}

/** Flags that every command which asks the agent has. */
export interface ClientFlags {
  readonly runDir?: string;
  readonly json?: boolean;
}

/** Text in a pipe is wrapped at this width: it is read in mails and logs. */
const PIPE_WIDTH = 80;

export function createContext(deps: CliDeps, finish: (status: number) => void): CliContext {
  return {
    deps,
    screen: {
      palette: wantsColour(deps) ? COLOURS : NO_COLOURS,
      width: deps.isTTY ? deps.columns : PIPE_WIDTH,
      cutTables: deps.isTTY,
    },
    out: (text) => deps.stdout.write(text),
    note: (line) => deps.stderr.write(`${printable(withoutTokens(line))}\n`),
    advise: (mend) => deps.stderr.write(`  → ${printable(withoutTokens(mend))}\n`),
    finish,
  };
}

/** Colour is for a person at a terminal who has not said no (no-color.org). */
function wantsColour({ isTTY, env }: CliDeps): boolean {
  return isTTY && !env.NO_COLOR && env.TERM !== 'dumb';
}

/** `netd: what is wrong` and `  → what to do`, on standard error; several errors one after the other. */
export function reportError(context: CliContext, error: unknown): void {
  if (error instanceof AggregateError) {
    for (const one of error.errors) reportError(context, one);
    return;
  }
  context.note(`netd: ${error instanceof NetdError ? error.message : errorChain(error)}`);
  if (error instanceof NetdError && error.mend !== undefined) context.advise(error.mend);
}

/** Adds the flags of a command that asks the agent. */
export function addClientFlags(command: Command): Command {
  return command
    .option('--json', 'print one JSON document with a schemaVersion, for programs')
    .option(
      '--run-dir <dir>',
      "directory of the agent's socket (default: NETD_RUN_DIR, the configuration file, /run/netd)",
    );
}

/** A client for the agent the flags, the environment or the configuration file point to. */
export async function clientFor(context: CliContext, flags: ClientFlags): Promise<ApiClient> {
  const [{ findRunDir }, { socketPath }, { createApiClient }] = await Promise.all([
    import('#agent/config/load.ts'),
    import('#agent/config/config.ts'),
    import('#agent/api/client.ts'),
  ]);
  return createApiClient(socketPath(await findRunDir(flags.runDir, context.deps.env, undefined)));
}

/** A document for programs: indented, so that people can read it as well, and harmless to their terminals. */
export function printJson(context: CliContext, document: unknown): void {
  const text = JSON.stringify(document, null, 2);
  // JSON itself escapes the controls below U+0020 and no others.
  context.out(`${text.replace(/[\u007f-\u009f\p{Bidi_Control}]/gu, escaped)}\n`);
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
