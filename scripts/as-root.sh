#!/bin/sh
# Runs a command as root: directly when we are root, else through sudo, with the caller's PATH (sudo's own would lose the
# Node that npm puts first) and the variables that steer this project.
#
#   sh scripts/as-root.sh COMMAND [ARGUMENT...]
set -eu

if [ $# -eq 0 ]; then
  echo 'usage: as-root.sh COMMAND [ARGUMENT...]' >&2
  exit 2
fi
if [ "$(id -u)" -eq 0 ]; then
  exec "$@"
fi

refuse() {
  echo "netd: '$command' makes network namespaces and mounts, which needs root; $1: run it as root" >&2
  exit 1
}
command=$*
command -v sudo >/dev/null || refuse 'sudo is not installed'
# The password is asked for here, once, where the reason can be given.
sudo -n true 2>/dev/null || sudo -p '[netd] root is needed for network namespaces; password of %p: ' true ||
  refuse 'sudo refused'

for name in PATH CI NO_COLOR FORCE_COLOR $(env | sed -n 's/^\(NETD_[A-Z0-9_]*\)=.*/\1/p'); do
  eval "[ -z \"\${$name+set}\" ]" || eval "set -- \"$name=\$$name\" \"\$@\""
done
exec sudo env "$@"
