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

const CLIENTS = ['-c', '4'];
/** Questions on the way at a time when nothing else slows the clients down. */
const WINDOW = ['-q', '100'];

/** Queries per second that 127.0.0.11 answers at most: four clients with a hundred questions on the way. */
export async function mostQueries(load: Load): Promise<number> {
  const output = await dnsperf(load, WINDOW);
  return Number(/Queries per second:\s+([\d.]+)/.exec(output)?.[1]);
}

/** Milliseconds each answer took while as many came as 127.0.0.11 answers. A lost one counts as the time-out. */
export async function latenciesAtMost(load: Load): Promise<readonly number[]> {
  return latencies(await dnsperf(load, [...WINDOW, '-v']));
}

/** The same while that many questions a second came evenly. */
export async function latenciesAt(load: Load, perSecond: number): Promise<readonly number[]> {
  return latencies(await dnsperf(load, ['-Q', String(perSecond), '-v']));
}

/** dnsperf's own time-out. */
const LOST_MS = 5000;

function latencies(output: string): readonly number[] {
  const times = [...output.matchAll(/^> (\S+) .* ([\d.]+)$/gm)];
  return times.map(([, rcode, seconds]) => (rcode === 'NOERROR' ? Number(seconds) * 1000 : LOST_MS));
}

async function dnsperf({ namespace, name, seconds }: Load, flags: readonly string[]): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'netd-dnsperf-'));
  try {
    const questions = join(directory, 'questions');
    writeFileSync(questions, `${name} A\n`);
    const asking = ['-s', '127.0.0.11', '-d', questions, '-l', String(seconds), ...CLIENTS, ...flags];
    const command = ['nsenter', `--net=${namespace}`, 'dnsperf', ...asking];
    const result = await runCommand(command, { timeoutMs: 120_000 });
    if (result.exitCode !== 0) throw new Error(`${command.join(' ')}: ${result.stderr}`);
    return result.stdout;
  } finally {
    rmSync(directory, { recursive: true });
  }
}
