#!/bin/sh
# Makes a Debian package of the built executable, for the architecture of this machine.
#
#   sh packaging/deb/build.sh [EXECUTABLE [DIRECTORY]]     from dist/netd, into dist/, as netd_VERSION_ARCHITECTURE.deb
#
# EXECUTABLE.8, the manual page, and EXECUTABLE.notices, the licences of all that is in it, have to lie beside it.
set -eu
umask 022
here=$(dirname "$0")
root=$here/../..
executable=${1:-$root/dist/netd}
directory=${2:-$root/dist}

fail() { echo "netd package: $*" >&2; exit 1; }
for file in "$executable" "$executable.8" "$executable.notices"; do
  [ -f "$file" ] || fail "there is no $file: build it with 'npm run build'"
done
command -v dpkg-deb >/dev/null || fail 'dpkg-deb is missing: Debian packages are made on Debian and its relatives'

version=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' "$root/package.json")
architecture=$(dpkg --print-architecture)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

# put MODE FILE TARGET
put() { install -D -m "$1" "$2" "$tree/$3"; }
# completion SHELL TARGET
completion() {
  mkdir -p "$(dirname "$tree/$2")"
  "$executable" completion "$1" >"$tree/$2"
}

put 0755 "$executable" usr/bin/netd
put 0644 "$root/systemd/netd.service" usr/lib/systemd/system/netd.service
put 0644 "$here/../netd.yaml" etc/netd/netd.yaml
put 0644 "$executable.8" usr/share/man/man8/netd.8
gzip -9n "$tree/usr/share/man/man8/netd.8"
put 0644 "$executable.notices" usr/share/doc/netd/copyright
put 0644 "$root/CHANGELOG.md" usr/share/doc/netd/changelog
gzip -9n "$tree/usr/share/doc/netd/changelog"
for page in "$root"/docs/*.md; do put 0644 "$page" "usr/share/doc/netd/${page##*/}"; done
completion bash usr/share/bash-completion/completions/netd
completion zsh usr/share/zsh/vendor-completions/_netd
completion fish usr/share/fish/vendor_completions.d/netd.fish

mkdir "$tree/DEBIAN"
size=$(du -sk --exclude=DEBIAN "$tree" | cut -f 1)
sed "s/@VERSION@/$version/; s/@ARCHITECTURE@/$architecture/; s/@SIZE@/$size/" "$here/control" >"$tree/DEBIAN/control"
echo /etc/netd/netd.yaml >"$tree/DEBIAN/conffiles"
for script in postinst prerm postrm; do put 0755 "$here/$script" "DEBIAN/$script"; done

package=$directory/netd_${version}_$architecture.deb
# Fast rather than small: two thirds of it is Node's own code, which gains little from a minute more.
dpkg-deb --root-owner-group -Zxz -z1 --build "$tree" "$package.new" >/dev/null
mv "$package.new" "$package"
echo "netd package: $package is made ($(du -m "$package" | cut -f 1) MB)"
