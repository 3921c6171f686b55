#!/bin/sh
# Runs a command as root: directly when we are root, else through sudo with the caller's PATH (sudo's own would lose the
# Node that npm puts first).
#
#   sh scripts/as-root.sh COMMAND [ARGUMENT…]
set -eu

if [ $# -eq 0 ]; then
  echo 'usage: as-root.sh COMMAND [ARGUMENT...]' >&2
  exit 2
fi
if [ "$(id -u)" -eq 0 ]; then
  exec "$@"
fi
if ! command -v sudo >/dev/null; then
  echo "netd: '$*' needs root (it makes network namespaces and mounts), and sudo is not installed: run this as root" >&2
  exit 1
fi
# Asks for the password once, here, where the reason can be given.
if ! sudo -n true 2>/dev/null && ! sudo -p "netd: root is needed to make network namespaces; password for %p: " true; then
  echo "netd: '$*' needs root (it makes network namespaces and mounts), and sudo refused: run this as root" >&2
  exit 1
fi
exec sudo -E env "PATH=$PATH" "$@"
