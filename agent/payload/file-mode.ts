/** Go's os.FileMode keeps these above the nine permission bits, where the manager's numbers have them too. */
const GO_SETUID = 1 << 23;
const GO_SETGID = 1 << 22;
const GO_STICKY = 1 << 20;

/**
 * The mode for chmod(2) from the protocol's, which is Go's os.FileMode. Bits 9 to 11, setuid and its kin in the
 * kernel's notation, mean nothing there and are dropped as Go drops them.
 */
export function unixMode(goMode: number): number {
  return (
    (goMode & 0o777) |
    (goMode & GO_SETUID ? 0o4000 : 0) |
    (goMode & GO_SETGID ? 0o2000 : 0) |
    (goMode & GO_STICKY ? 0o1000 : 0)
  );
}
