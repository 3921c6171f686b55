import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import type { Host } from '#test/hosts/host.ts';

/** What a manager waits between two rotations, `12 * time.Hour`: the only place of a dockerd where that number stands. */
const ROTATION_NS = 12n * 3600n * 1_000_000_000n;

/**
 * Gives the host a dockerd that, as the leader of a swarm, rotates the network keys every `seconds`: the real one, with its
 * interval (spec gossip §15), which nothing configures, overwritten in the program. Call it before the engine starts.
 *
 * @throws Error when the program has the number nowhere, or in several places: then it is not known which one is meant
 */
export function rotateKeysEvery(host: Host, seconds: number): void {
  const program = readFileSync(host.path('/usr/sbin/dockerd'));
  const wanted = int64(ROTATION_NS);
  const at = program.indexOf(wanted);
  if (at < 0 || program.indexOf(wanted, at + 1) >= 0) {
    throw new Error('this dockerd does not have its key rotation interval in one place');
  }
  int64(BigInt(seconds) * 1_000_000_000n).copy(program, at);
  // First on the PATH of a host.
  const path = host.path('/usr/local/sbin/dockerd');
  writeFileSync(path, program);
  chmodSync(path, 0o755);
}

function int64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(value);
  return bytes;
}
