import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '#test/hosts/command.ts';

export interface Load {
  /** Namespace the clients are in. */
  readonly namespace: string;
  readonly name: string;
  readonly seconds: number;
}

/** Queries per second that 127.0.0.11 answers at most: four clients with a hundred questions on the way. */
export async function mostQueries({ namespace, name, seconds }: Load): Promise<number> {
  const output = await dnsperf(namespace, name, ['-l', String(seconds), '-c', '4', '-q', '100']);
  return Number(/Queries per second:\s+([\d.]+)/.exec(output)?.[1]);
}

/** Milliseconds each answer took while that many questions a second came evenly. A lost one counts as the time-out. */
export async function latencies({ namespace, name, seconds }: Load, perSecond: number): Promise<readonly number[]> {
  const output = await dnsperf(namespace, name, ['-l', String(seconds), '-c', '4', '-Q', String(perSecond), '-v']);
  const times = [...output.matchAll(/^> (\S+) .* ([\d.]+)$/gm)];
  return times.map(([, rcode, seconds]) => (rcode === 'NOERROR' ? Number(seconds) * 1000 : LOST_MS));
}

/** dnsperf's own time-out. */
const LOST_MS = 5000;

async function dnsperf(namespace: string, name: string, flags: readonly string[]): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'netd-dnsperf-'));
  try {
    const questions = join(directory, 'questions');
    writeFileSync(questions, `${name} A\n`);
    const command = ['nsenter', `--net=${namespace}`, 'dnsperf', '-s', '127.0.0.11', '-d', questions, ...flags];
    const result = await runCommand(command, { timeoutMs: 120_000 });
    if (result.exitCode !== 0) throw new Error(`${command.join(' ')}: ${result.stderr}`);
    return result.stdout;
  } finally {
    rmSync(directory, { recursive: true });
  }
}
