import { spawn } from 'node:child_process';
import { killTree } from './process-tree.ts';

/** How a finished command went. `exitCode` is null when a signal ended it. */
export interface CommandResult {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  /** Given on standard input; without it the command reads an empty one. */
  readonly input?: string | Uint8Array;
  /** Added to (never taken from) the environment the callee decides on. */
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Longer than anything a test waits for in one command; a command that hangs must not hang the suite. */
const DEFAULT_TIMEOUT_MS = 60_000;

/**
 * Runs a command to its end, whatever its exit status.
 *
 * @throws Error when it cannot be started, or when the time-out or the signal ended it (with what it had printed).
 */
export async function runCommand(
  argv: readonly string[],
  options: CommandOptions & { readonly baseEnv?: NodeJS.ProcessEnv } = {},
): Promise<CommandResult> {
  const [file = '', ...args] = argv;
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  // Its own session: Ctrl-C in the terminal reaches the owner of the bed, who then ends the rest in order.
  const child = spawn(file, args, { env: { ...(options.baseEnv ?? process.env), ...options.env }, detached: true });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
    });
  }
  child.stdin.on('error', () => {}); // the command may not care for its input
  child.stdin.end(options.input);

  let broken: string | undefined;
  const stop = (why: string) => {
    broken = why;
    if (child.pid !== undefined) killTree(child.pid);
    // Whatever left the tree may hold the pipes open; their end is not waited for.
    child.stdout.destroy();
    child.stderr.destroy();
  };
  const timer = setTimeout(() => stop(`took longer than ${timeoutMs} ms`), timeoutMs);
  const onAbort = () => stop('was aborted');
  options.signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const result = await new Promise<CommandResult>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (exitCode, signal) => resolve({ exitCode, signal, ...output }));
    });
    if (broken !== undefined) throw new Error(`${argv.join(' ')}: ${broken}\n${result.stderr}${result.stdout}`);
    return result;
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', onAbort);
  }
}

/** The command's standard output without its last newline. @throws Error with its standard error when it did not exit with 0. */
export function outputOf(argv: readonly string[], result: CommandResult): string {
  if (result.exitCode !== 0) {
    const how = result.exitCode === null ? `was ended by ${result.signal}` : `exited with ${result.exitCode}`;
    throw new Error(`${argv.join(' ')}: ${how}: ${(result.stderr || result.stdout).trim()}`);
  }
  return result.stdout.replace(/\n$/, '');
}
