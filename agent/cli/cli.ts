import { type Command, CommanderError } from 'commander';
import { type CliContext, createContext, reportError } from './context.ts';
import type { CliDeps } from './deps.ts';
import { EXIT, exitStatusOf } from './exit.ts';
import { buildProgram } from './program.ts';
import { usageError } from './usage-error.ts';

/**
 * Runs one command line (without the program's own name) and resolves to its exit status. Never throws: errors go to
 * standard error, as `netd: what is wrong` and `  → what to do`.
 */
export async function runCli(argv: readonly string[], deps: CliDeps): Promise<number> {
  let status: number = EXIT.ok;
  const context = createContext(deps, (given) => {
    status = given;
  });
  const program = buildProgram(context);
  try {
    // Somebody who types the bare name wants to know what there is.
    await program.parseAsync(argv.length === 0 ? ['--help'] : [...argv], { from: 'user' });
    return status;
  } catch (error) {
    return failed(context, program, argv, error);
  }
}

function failed(context: CliContext, program: Command, argv: readonly string[], error: unknown): number {
  if (!(error instanceof CommanderError)) {
    reportError(context, error);
    return exitStatusOf(error);
  }
  if (error.exitCode === 0) return EXIT.ok; // --help, --version
  const [first, second] = argv;
  // "netd help nonsense" is answered with the help of netd itself, which says nothing about the mistake.
  const text = error.code === 'commander.help' ? `unknown command '${second ?? first}'` : error.message;
  const command = program.commands.find((one) => one.name() === first);
  reportError(context, usageError(text, command?.name()));
  return EXIT.usage;
}
