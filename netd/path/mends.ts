/** For what netd repairs by itself. */
export const DRIFT_MEND =
  'netd mends this within two seconds; if it stays or comes back, something else on this host changes it: see "netd inspect drift" and the log.';

/** For a network that is not as it should be. */
export const BUILD_MEND = '"netd inspect networks" and the log say more; netd keeps trying.';

/** @param command what to run inside */
export function insideMend(sandboxKey: string, command: string): string {
  return `Run "nsenter --net=${sandboxKey} ${command}", or start the container anew.`;
}
