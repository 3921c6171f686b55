import { Argument, type Command } from 'commander';
import { completionModel } from './completion-model.ts';
import { completionScript, SHELLS, type Shell } from './completion-scripts.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './exit.ts';

export function defineCompletion(program: Command, context: CliContext): void {
  program
    .command('completion')
    .description('Print a script that completes netd commands in a shell')
    .addArgument(new Argument('<shell>', 'your shell').choices(SHELLS))
    .addHelpText('after', HELP)
    .action((shell: Shell) => {
      context.out(completionScript(completionModel(program), shell));
      context.finish(EXIT.ok);
    });
}

const HELP = `
Examples:
  source <(netd completion bash)
  netd completion bash > /etc/bash_completion.d/netd
  netd completion zsh > /usr/local/share/zsh/site-functions/_netd
  netd completion fish > ~/.config/fish/completions/netd.fish`;
