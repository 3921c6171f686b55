import type { AgentConfig } from '#agent/config/config.ts';
import type { Clock } from '#base/clock.ts';

/** Where a command's text goes: a process stream, or a test's string. */
export interface TextSink {
  write(text: string): unknown;
}

/** The outside world of a command line. */
export interface CliDeps {
  readonly version: string;
  readonly stdout: TextSink;
  readonly stderr: TextSink;
  /** Read only by `join --token-file -`. */
  readonly stdin: AsyncIterable<Uint8Array | string>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether standard output is a terminal. */
  readonly isTTY: boolean;
  /** The width of that terminal; ignored if it is none. */
  readonly columns: number;
  readonly clock: Clock;
  /** Runs the daemon until it is told to stop; resolves to the exit status. */
  readonly startAgent: (config: AgentConfig) => Promise<number>;
}
