/** Long enough for a loaded machine; a test that runs into it has failed. */
const DEADLINE_MS = 20_000;

/** Resolves with the first value that is not undefined or false, looking again after everything else had its turn. */
export async function eventually<T>(look: () => T | undefined | false, what: string): Promise<T> {
  const deadline = performance.now() + DEADLINE_MS;
  for (;;) {
    const found = look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) throw new Error(`it did not come about that ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
