import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

/** A script that holds namespaces open until its standard input ends, and says on standard output how far it is. */
export interface Holder {
  /** The first process started; for `unshare --fork` that is unshare itself. */
  readonly pid: number;
  /** The next line of standard output. @throws Error with the script's standard error when it ended instead. */
  readonly line: () => Promise<string>;
  readonly send: (text: string) => void;
  /** Ends its standard input, and waits until the process is gone. */
  readonly release: () => Promise<void>;
}

/** Starts a holder in a session of its own, so that signals from the terminal do not reach it. */
export function startHolder(argv: readonly string[], env: Readonly<Record<string, string>>): Holder {
  const [file = '', ...args] = argv;
  const child: ChildProcessByStdio<Writable, Readable, Readable> = spawn(file, args, {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  child.stdin.on('error', () => {}); // it ended first: `line` or `release` tell
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => resolve());
    child.once('error', (error) => {
      errors += error.message;
      resolve();
    });
  });
  return {
    pid: child.pid ?? 0,
    line: async () => {
      const next = await lines.next();
      if (next.done !== true) return next.value;
      await ended;
      throw new Error(`${argv.join(' ')}: ${errors.trim() || 'ended'}`);
    },
    send: (text) => child.stdin.write(`${text}\n`),
    release: async () => {
      child.stdin.end();
      await ended;
    },
  };
}
