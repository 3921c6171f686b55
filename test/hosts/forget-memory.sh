#!/bin/sh
# Run in a test host whose processes are all gone: takes away what a reboot takes away, and nothing else.
set -eu

# Newest first, for some lie in others; /var/lib/docker itself is the host's disk.
awk '$2 ~ "^/(run|tmp)(/|$)" || $2 ~ "^/var/lib/docker/." { print $2 }' /proc/mounts | tac |
  while read -r mount_point; do umount -l "$mount_point"; done
mount -t tmpfs -o mode=0755 tmpfs /run
mount -t tmpfs -o mode=1777 tmpfs /tmp

for link in $(ip -brief link | sed 's/[@ ].*//'); do
  case $link in
    lo | eth0) ;;
    *) ip link del "$link" 2>/dev/null || true ;; # some go with others
  esac
done
nft flush ruleset
