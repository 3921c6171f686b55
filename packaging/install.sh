#!/bin/sh
# Installs netd on this host: the executable and the unit; if they are there also an example configuration, the manual page, and
# the licences of all that is in the executable. Run again to upgrade: containers run on.
#
#   sudo sh install.sh [DIRECTORY]     with netd and netd.service in DIRECTORY (default: that of this script, or dist/ and
#                                      systemd/ of a checkout)
set -eu

fail() { echo "netd install: $*" >&2; exit 1; }
say() { echo "netd install: $*"; }

[ "$(id -u)" = 0 ] || fail 'must be run as root: sudo sh install.sh'
here=${1:-$(dirname "$0")}
# first FILE…: the first of them that is there
first() { for candidate in "$@"; do [ ! -f "$candidate" ] || { echo "$candidate"; return; }; done; }
executable=$(first "$here/netd" "$here/../dist/netd")
unit=$(first "$here/netd.service" "$here/../systemd/netd.service")
settings=$(first "$here/netd.yaml" "$here/../packaging/netd.yaml")
[ -n "$executable" ] || fail "there is no netd in $here: build it with 'npm run build'"
[ -n "$unit" ] || fail "there is no netd.service in $here"
"$executable" version >/dev/null 2>&1 || [ $? = 4 ] || fail "$executable does not run on this host (another architecture?)"

# Beside it and renamed over it: a running netd keeps its file.
install -m 0755 "$executable" /usr/bin/netd.new
mv /usr/bin/netd.new /usr/bin/netd
install -d -m 0755 /etc/netd
[ -e /etc/netd/netd.yaml ] || [ -z "$settings" ] || install -m 0644 "$settings" /etc/netd/netd.yaml
[ ! -f "$executable.notices" ] || install -D -m 0644 "$executable.notices" /usr/share/doc/netd/copyright
[ ! -f "$executable.8" ] || install -D -m 0644 "$executable.8" /usr/share/man/man8/netd.8
if [ -d /usr/share/bash-completion/completions ]; then
  /usr/bin/netd completion bash >/usr/share/bash-completion/completions/netd
fi
say "installed $(/usr/bin/netd --version 2>/dev/null || echo netd) as /usr/bin/netd"

if [ -d /run/systemd/system ]; then
  install -m 0644 "$unit" /etc/systemd/system/netd.service
  systemctl daemon-reload
  systemctl enable --quiet netd
  systemctl restart netd
  say 'the service netd is running; next: netd join --token TOKEN MANAGER:2377'
else
  say 'systemd does not run here: start it with "netd agent"; next: netd join --token TOKEN MANAGER:2377'
fi
