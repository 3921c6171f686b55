/**
 * How V8 is told to manage memory in `dist/netd` (scripts/build.ts). By itself it lets the space for new objects grow to
 * 128 MB while much is happening, and keeps it: most of the memory of a node that has joined a large cluster was that. A
 * daemon that waits most of the time needs little of it, and collecting 4 MiB is a short pause.
 */
export const RUNTIME_FLAGS: readonly string[] = ['--max-semi-space-size=4'];
