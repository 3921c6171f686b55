import type { CommandModel, CompletionModel, FlagModel } from './completion-model.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** The script that teaches a shell the command line. All words in it are ours: letters, digits, dashes. */
export function completionScript(model: CompletionModel, shell: Shell): string {
  switch (shell) {
    case 'bash':
      return bash(model);
    case 'zsh':
      return zsh(model);
    case 'fish':
      return fish(model);
  }
}

function bash({ program, commands }: CompletionModel): string {
  const values = commands.flatMap(({ name, flags }) => flags.flatMap((flag) => bashValue(name, flag)));
  const words = commands.map(({ name, flags, words: own }) => {
    const all = [...own, ...flags.map((flag) => flag.long)];
    return `    ${name}) words='${all.join(' ')}' ;;`;
  });
  return `# bash completion for ${program}: source it, or put it into /etc/bash_completion.d/
_${program}() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous='' command='' words=''
  if (( COMP_CWORD > 0 )); then previous="\${COMP_WORDS[COMP_CWORD-1]}"; fi
  if (( COMP_CWORD > 1 )); then command="\${COMP_WORDS[1]}"; fi
  # bash splits --flag=value into three words
  if [[ $current == '=' ]]; then current=''
  elif [[ $previous == '=' ]]; then previous="\${COMP_WORDS[COMP_CWORD-2]}"; fi
  COMPREPLY=()
  case "$command $previous" in
${values.join('\n')}
  esac
  case "$command" in
    '') words='${commands.map((command) => command.name).join(' ')} --help --version' ;;
${words.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _${program} ${program}
`;
}

function bashValue(command: string, { long, value }: FlagModel): string[] {
  const when = `    '${command} ${long}')`;
  switch (value.tag) {
    case 'none':
      return [];
    case 'text':
      return [`${when} return ;;`];
    case 'file':
      return [`${when} compopt -o filenames; COMPREPLY=($(compgen -f -- "$current")); return ;;`];
    case 'directory':
      return [`${when} compopt -o filenames; COMPREPLY=($(compgen -d -- "$current")); return ;;`];
    case 'words':
      return [`${when} COMPREPLY=($(compgen -W '${value.words.join(' ')}' -- "$current")); return ;;`];
  }
}

function zsh({ program, commands }: CompletionModel): string {
  const list = commands.map(({ name, help }) => `    '${zshText(`${name}:${help}`)}'`);
  return `#compdef ${program}
# zsh completion for ${program}: put it as _${program} into a directory of $fpath
_${program}() {
  local -a commands=(
${list.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe 'command' commands
    return
  fi
  case "$words[2]" in
${commands.map(zshCommand).join('\n')}
  esac
}
if [[ "$funcstack[1]" == _${program} ]]; then _${program} "$@"; else compdef _${program} ${program}; fi
`;
}

function zshCommand({ name, flags, words }: CommandModel): string {
  const specs = flags.map((flag) => `'${flag.long}[${zshText(flag.help).replace(/[[\]]/g, '')}]${zshValue(flag)}'`);
  if (words.length > 0) specs.push(`'2:word:(${words.join(' ')})'`);
  return `    ${name}) _arguments ${specs.join(' ')} ;;`;
}

function zshValue({ value }: FlagModel): string {
  switch (value.tag) {
    case 'none':
      return '';
    case 'text':
      return ':value:';
    case 'file':
      return ':file:_files';
    case 'directory':
      return ':directory:_files -/';
    case 'words':
      return `:value:(${value.words.join(' ')})`;
  }
}

function zshText(text: string): string {
  return text.replace(/'/g, "'\\''");
}

function fish({ program, commands }: CompletionModel): string {
  const lines = commands.flatMap((command) => {
    const seen = `-n '__fish_seen_subcommand_from ${command.name}'`;
    return [
      `complete -c ${program} -n __fish_use_subcommand -a ${command.name} -d '${fishText(command.help)}'`,
      ...(command.words.length > 0 ? [`complete -c ${program} ${seen} -a '${command.words.join(' ')}'`] : []),
      ...command.flags.map((flag) => `complete -c ${program} ${seen} ${fishFlag(flag)}`),
    ];
  });
  return `# fish completion for ${program}: put it into ~/.config/fish/completions/${program}.fish
complete -c ${program} -f
${lines.join('\n')}
`;
}

function fishFlag({ long, short, help, value }: FlagModel): string {
  const names = `-l ${long.slice(2)}${short === undefined ? '' : ` -s ${short.slice(1)}`}`;
  const wants = { none: '', text: ' -x', file: ' -r -F', directory: " -x -a '(__fish_complete_directories)'" };
  const takes = value.tag === 'words' ? ` -x -a '${value.words.join(' ')}'` : wants[value.tag];
  return `${names}${takes} -d '${fishText(help)}'`;
}

function fishText(text: string): string {
  return text.replace(/[\\']/g, '\\$&');
}
