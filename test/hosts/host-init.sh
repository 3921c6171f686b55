#!/bin/sh
# The first process of a test host, in fresh mount, PID, network, UTS and IPC namespaces: makes the host, then stays as
# its init. The end of standard input, which the bed's owner holds open, is the end of the host and all its processes.
#
#   host-init.sh SCRATCH ENGINE_ROOT CHECKOUT HOSTNAME ADDRESS/PREFIX
#
# Says "pid N" (as the bed counts) when it can be given a network interface, waits for a line, says "ready".
set -eu
scratch=$1 engine_root=$2 checkout=$3 hostname=$4 address=$5
compile_cache=node_modules/.cache/node
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# The old /proc is still there, and counts from outside. The shell itself reads it, so it is the shell's own entry.
read -r pid rest </proc/self/stat
echo "pid $pid"

# The root: the engine's file system below, never written, and memory above.
mount -t tmpfs -o mode=0755 netd-bed "$scratch"
cd "$scratch"
mkdir upper work root
mount -t overlay -o "lowerdir=$engine_root,upperdir=upper,workdir=work" netd-bed root
cd root
mkdir -p opt/netd old lib/modules
mount -t proc proc proc
mount -t sysfs sysfs sys # a fresh one shows this host's interfaces
mount --rbind /sys/fs/cgroup sys/fs/cgroup
mount --rbind /dev dev
mount -t tmpfs -o mode=0755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
# An overlay cannot have its upper layers on another overlay: the engine's layers get memory of their own.
mkdir -p var/lib/docker
mount -t tmpfs -o mode=0710 tmpfs var/lib/docker
mount --bind "$checkout" opt/netd
mount -o remount,bind,ro opt/netd
mkdir -p "$checkout/$compile_cache"
mount --bind "$checkout/$compile_cache" "opt/netd/$compile_cache"
[ ! -d /lib/modules ] || mount --bind -o ro /lib/modules lib/modules
pivot_root . old
umount -l /old
rmdir /old

echo "$hostname" >/proc/sys/kernel/hostname
echo "$hostname" >/etc/hostname
printf '127.0.0.1 localhost\n%s %s\n' "${address%/*}" "$hostname" >/etc/hosts
# Nobody answers there and no route leads anywhere else: an image pull fails at once and the local image is used.
echo 'nameserver 127.0.0.1' >/etc/resolv.conf

read -r go
ip -batch - <<EOF
link set lo up
address add $address dev eth0
link set eth0 up
route add unreachable default
EOF
echo 1 >/proc/sys/net/ipv4/ip_forward
echo ready
# tini reaps what daemons leave behind; cat waits for the end of standard input.
exec /usr/bin/docker-init -s -- cat >/dev/null
