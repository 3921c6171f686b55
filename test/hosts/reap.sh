#!/bin/sh
# Removes what is left of a bed whose owner is gone: its processes (namespaces, mounts and links go with them), its
# control groups, its scratch directory. Harmless to run twice.
#
#   reap.sh BED_ID SCRATCH
set -u
id=$1 scratch=$2

# The init processes of the bed's hosts, and what was started in them from outside, carry its id in their environment: no stranger
# is ever hit, even when a process number was used again.
processes_of_bed() { grep -lszx "TESTBED_ID=$id" /proc/[0-9]*/environ | cut -d / -f 3; }
# One hierarchy, or with version 1 one below each controller's name; find(1) complains of those that are not there.
groups_of_bed() { find "/sys/fs/cgroup/netd-bed-$id" /sys/fs/cgroup/*/"netd-bed-$id" -depth -type d 2>/dev/null || :; }

# They end by themselves when the owner's pipe closes, but for those that are stopped; after 2 s they are helped.
tries=0
while pids=$(processes_of_bed) && [ -n "$pids" ] && [ $tries -lt 200 ]; do
  [ $tries -lt 40 ] || kill -KILL $pids 2>/dev/null
  sleep 0.05
  tries=$((tries + 1))
done

tries=0
while groups=$(groups_of_bed) && [ -n "$groups" ] && [ $tries -lt 100 ]; do
  echo "$groups" | xargs rmdir 2>/dev/null
  [ -z "$(groups_of_bed)" ] || sleep 0.05
  tries=$((tries + 1))
done

rm -rf --one-file-system "$scratch"
