import type { Argument, Command, Option } from 'commander';

/** What can be typed after what: all that a shell needs to know about the command line. */
export interface CompletionModel {
  readonly program: string;
  readonly commands: readonly CommandModel[];
}

export interface CommandModel {
  readonly name: string;
  readonly help: string;
  readonly flags: readonly FlagModel[];
  /** The words its argument can be; empty if it takes none or any text. */
  readonly words: readonly string[];
}

export interface FlagModel {
  readonly long: string;
  readonly short: string | undefined;
  readonly help: string;
  readonly value: FlagValue;
}

export type FlagValue =
  | { readonly tag: 'none' }
  | { readonly tag: 'text' }
  | { readonly tag: 'file' }
  | { readonly tag: 'directory' }
  | { readonly tag: 'words'; readonly words: readonly string[] };

/** Reads the model off the commands themselves, so that completion cannot fall behind them. */
export function completionModel(program: Command): CompletionModel {
  const help = program.createHelp();
  return {
    program: program.name(),
    commands: help.visibleCommands(program).map((command) => ({
      name: command.name(),
      help: firstLine(command.description() || help.subcommandDescription(command)),
      flags: help.visibleOptions(command).flatMap(flagOf),
      words: wordsOf(program, command),
    })),
  };
}

function wordsOf(program: Command, command: Command): readonly string[] {
  if (command.name() === 'help') return program.commands.map((one) => one.name());
  return command.registeredArguments.flatMap((argument: Argument) => argument.argChoices ?? []);
}

function flagOf(option: Option): FlagModel[] {
  if (option.long === undefined || option.long === null) return [];
  return [
    {
      long: option.long,
      short: option.short ?? undefined,
      help: firstLine(option.description),
      value: flagValue(option),
    },
  ];
}

function flagValue(option: Option): FlagValue {
  if (!option.required && !option.optional) return { tag: 'none' };
  if (option.argChoices) return { tag: 'words', words: option.argChoices };
  if (/<dir>$/.test(option.flags)) return { tag: 'directory' };
  return /<file>$/.test(option.flags) ? { tag: 'file' } : { tag: 'text' };
}

/** Shells have one short line per word; what stands in brackets is for --help. */
function firstLine(text: string): string {
  return text.replace(/ \(.*$/s, '').split('\n', 1)[0] ?? '';
}
