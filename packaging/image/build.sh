#!/bin/sh
# Makes a container image of the built executable, without Docker and without a base image: netd, mount(8), the shared libraries of
# both, and nothing else. The same input gives the same image, to the byte.
#
#   sh packaging/image/build.sh [EXECUTABLE [DIRECTORY]]     from dist/netd, into dist/, as netd-VERSION-ARCHITECTURE.image.tar
#
# `docker load` takes it. EXECUTABLE.notices, the licences of all that is in the executable, has to lie beside it.
set -eu
umask 022
here=$(dirname "$0")
root=$here/../..
executable=${1:-$root/dist/netd}
directory=${2:-$root/dist}

fail() { echo "netd package: $*" >&2; exit 1; }
for file in "$executable" "$executable.notices"; do
  [ -f "$file" ] || fail "there is no $file: build it with 'npm run build'"
done
command -v dpkg-query >/dev/null || fail 'dpkg is missing: what is in the image is known from the packages of Debian and its relatives'

version=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' "$root/package.json")
architecture=$(dpkg --print-architecture)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree

# put MODE FILE TARGET
put() { install -D -m "$1" "$2" "$tree/$3"; }
# archive DIRECTORY ARCHIVE: one order, one time, one owner
archive() { tar -C "$1" --sort=name --format=ustar --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$2" .; }
sha256() { sha256sum "$1" | cut -d ' ' -f 1; }
# libraries FILE…: where the loader finds what they need, and the loader; a line with "not found" comes through as it is
libraries() { ldd "$@" | sed -n 's/^.*[ \t]\(\/[^ ]*\) (0x.*$/\1/p; /not found/p' | sort -u; }
# owner FILE: the Debian package it is of, under any of the names that merged /usr gives it
owner() {
  real=$(readlink -f "$1")
  dpkg-query --search "$1" "$real" "${real#/usr}" 2>/dev/null | sed -n '1s/: .*$//p' | grep . ||
    fail "$1 is to be part of the image, and of no Debian package: nothing says under which licence it is"
}

put 0755 "$executable" usr/bin/netd
put 0644 "$executable.notices" usr/share/doc/netd/copyright
mount=$(command -v mount) || fail 'mount(8) is missing'
put 0755 "$mount" usr/bin/mount
files=$(libraries "$executable" "$mount")
case $files in
  '') fail "ldd says of no library of $executable where it is" ;;
  *'not found'*) fail "libraries are missing here: $(echo "$files" | grep 'not found')" ;;
esac
for file in $files; do put 0755 "$file" "${file#/}"; done
# Whoever gets the image gets the notices of its libraries as well, and can see, as scanners do, which versions they are.
packages=$(for file in $mount $files; do owner "$file"; done)
for package in $(echo "$packages" | sort -u); do
  name=${package%%:*}
  put 0644 "/usr/share/doc/$name/copyright" "usr/share/doc/$name/copyright" ||
    fail "there are no notices of the package $name, which is to be part of the image: reinstall it with its documentation"
  mkdir -p "$tree/var/lib/dpkg/status.d"
  dpkg-query --status "$package" >"$tree/var/lib/dpkg/status.d/$name"
done
mkdir -p "$tree/etc" "$tree/run"
ln -s ../run "$tree/var/run"
echo 'hosts: files dns' >"$tree/etc/nsswitch.conf"

mkdir "$work/image"
archive "$tree" "$work/image/layer.tar"
layer=$(sha256 "$work/image/layer.tar")
cat >"$work/config.json" <<EOF
{
  "architecture": "$architecture",
  "os": "linux",
  "created": "1970-01-01T00:00:00Z",
  "config": {
    "Env": ["PATH=/usr/bin"],
    "Entrypoint": ["/usr/bin/netd"],
    "Cmd": ["agent"],
    "StopSignal": "SIGTERM",
    "Labels": {
      "org.opencontainers.image.title": "netd",
      "org.opencontainers.image.description": "Worker node for Docker Swarm managers",
      "org.opencontainers.image.version": "$version"
    }
  },
  "rootfs": { "type": "layers", "diff_ids": ["sha256:$layer"] },
  "history": [{ "created": "1970-01-01T00:00:00Z", "created_by": "packaging/image/build.sh" }]
}
EOF
config=$(sha256 "$work/config.json").json
mv "$work/config.json" "$work/image/$config"
echo "[{\"Config\":\"$config\",\"RepoTags\":[\"netd:$version\"],\"Layers\":[\"layer.tar\"]}]" >"$work/image/manifest.json"

package=$directory/netd-$version-$architecture.image.tar
archive "$work/image" "$package.new"
mv "$package.new" "$package"
echo "netd package: $package is made ($(du -m "$package" | cut -f 1) MB), the image netd:$version"
