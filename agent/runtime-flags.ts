/**
 * How V8 is told to manage memory in `dist/netd` (scripts/build.ts). By itself it lets the space for new objects grow to
 * 128 MB while much is happening, and keeps it: most of the memory of a node that has joined a large cluster was that. With
 * 4 MiB a node that had only started kept 8 MB (the space has two halves); with 1 MiB it has 5 MB less, with a hundred tasks
 * 10 MB less, and decoding rows costs a few percent more.
 */
export const RUNTIME_FLAGS: readonly string[] = ['--max-semi-space-size=1'];
