import { execFile } from 'node:child_process';
import { access } from 'node:fs/promises';

/** An answer takes some 10 ms; a host that is busy going down must not hold up the stop of netd. */
const TIMEOUT_MS = 1_000;

/** Where to look, for tests. */
export interface ShutdownSigns {
  /** There only on hosts that systemd runs (sd_booted(3)). */
  readonly booted: string;
  readonly systemctl: string;
}

const SYSTEMD: ShutdownSigns = { booted: '/run/systemd/system', systemctl: 'systemctl' };

/**
 * Whether the whole host is being shut down or rebooted, rather than netd alone restarted. False where that cannot be told: on
 * hosts without systemd, and in containers.
 */
export async function hostIsGoingDown({ booted, systemctl }: ShutdownSigns = SYSTEMD): Promise<boolean> {
  const isSystemd = await access(booted).then(
    () => true,
    () => false,
  );
  if (!isSystemd) return false;
  // It exits with a status of its own for every state but "running" (systemctl(1)): the word counts.
  return new Promise((resolve) => {
    execFile(systemctl, ['is-system-running'], { timeout: TIMEOUT_MS }, (_, stdout) =>
      resolve(stdout.trim() === 'stopping'),
    );
  });
}
