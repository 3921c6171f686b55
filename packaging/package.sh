#!/bin/sh
# Makes a package of the built executable: `npm run package`, `npm run package -- image`.
#
#   sh packaging/package.sh [deb|image] [EXECUTABLE [DIRECTORY]]     deb unless told otherwise
set -eu
kind=${1:-deb}
[ $# -eq 0 ] || shift
case $kind in
  deb | image) exec sh "$(dirname "$0")/$kind/build.sh" "$@" ;;
  *) echo "netd package: there is no package of the kind '$kind'; there are deb and image" >&2; exit 2 ;;
esac
