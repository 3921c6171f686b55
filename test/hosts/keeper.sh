#!/bin/sh
# The one process of a bed outside its hosts: holds the network namespace with the bed's switch, and cleans up when the
# owner is gone, however it went: the owner's end, even by SIGKILL, closes standard input.
#
#   keeper.sh BED_ID SCRATCH
set -eu
trap '' INT TERM HUP # the owner decides, not the terminal
here=$(dirname "$0")

ip -batch - <<EOF
link set lo up
link add switch type bridge forward_delay 0 mcast_snooping 0
link set switch up
EOF
# No rule of this machine applies between the hosts.
for family in iptables ip6tables arptables; do
  [ ! -e /proc/sys/net/bridge/bridge-nf-call-$family ] || echo 0 >/proc/sys/net/bridge/bridge-nf-call-$family
done
echo ready
cat >/dev/null
exec sh "$here/reap.sh" "$1" "$2"
