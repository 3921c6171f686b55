#!/bin/sh
# Installs what is missing to build, run and test netd, and only that. Says what it does; is silent when there is nothing to do.
#
#   sh scripts/setup.sh --npm-only             the node modules
#   sh scripts/setup.sh [--engines SUITE,…]    those, the tools of the test bed, and root file systems with Docker engines
#   … --bench                                  and what `npm run bench` measures with
#   … --database                               and the database of the application that `npm start` shows
#
# Engines are never installed on this machine: a dockerd here would change its firewall. Each lives in a root file system of
# its own, made from a Debian suite (bookworm, trixie, sid; all by default) under $NETD_TESTBED_CACHE
# (/var/cache/netd-testbed), as engines/VERSION with a link engines/SUITE to it.
set -eu
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin # where Debian keeps ip(8); not on the path of every user

cache=${NETD_TESTBED_CACHE:-/var/cache/netd-testbed}
all_suites='bookworm trixie sid'

# What is in an engine's root file system beside the engine itself. libstdc++6 is for the Node that travels with the checkout.
# Raise the recipe number with every change of content: older ones are then made again.
engine_packages=docker.io,ca-certificates,mount,passwd,kmod,procps,libstdc++6,openssl,curl
engine_packages=$engine_packages,iproute2,iptables,nftables,ipvsadm,conntrack,tcpdump,iputils-ping
recipe=2

say() { echo "netd setup: $*"; }
fail() { echo "netd setup: $*" >&2; exit 1; }

# The engine version Debian had in each suite when this was written. Another one is used, and named, as it is.
expected_version() {
  case $1 in
    bookworm) echo 20.10.24 ;;
    trixie) echo 26.1.5 ;;
    sid) echo 28.5.2 ;;
  esac
}

# --- node modules -----------------------------------------------------------------------------------------------------------

setup_npm() {
  installer= # the Node that npm has installed with, if it had to
  if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    say 'installing the node modules (npm ci)'
    installer=$(node --version)
    # A registry mirror may lack the optional packages of systems other than this one; "npm ci" then calls a lock file made
    # there incomplete, "npm install" takes the same versions from it and does not mind.
    if ! complaint=$(npm ci --no-progress --loglevel=error 2>&1); then
      say "npm ci failed ($(echo "$complaint" | sed -n 's/^npm \(error\|ERR!\) code //p')); trying npm install"
      npm install --no-save --no-progress --loglevel=error || {
        echo "$complaint" >&2
        fail 'the node modules could not be installed; above is what npm ci said, and before it npm install'
      }
    fi
    touch node_modules/.package-lock.json # newer than the lock file, also when npm found nothing to write
  fi
  # The package "node" fetches its binary in an install script, which npm 11 skips unless told otherwise.
  if [ ! -x node_modules/node/bin/node ]; then
    say 'fetching the Node runtime of the package "node"'
    npm rebuild node --ignore-scripts=false --no-progress --loglevel=error || true
  fi
  [ -x node_modules/node/bin/node ] ||
    fail 'node_modules/node/bin/node is missing: npm did not run the install script of the package "node"; allow install scripts and run "npm ci"'
  # The package "node" keeps nothing but the binary of another package, whose licence has to go along with what is made of it.
  if [ ! -e node_modules/node/LICENSE ]; then
    runtime=node-linux-$(node_modules/node/bin/node --print '`${process.arch}@${process.versions.node}`')
    say "fetching the licence of the Node runtime, from the npm package $runtime"
    unpacked=$(mktemp --directory)
    npm pack --silent --prefer-offline --pack-destination "$unpacked" "$runtime" >/dev/null &&
      tar --extract --gzip --directory "$unpacked" --file "$unpacked"/*.tgz package/LICENSE &&
      mv "$unpacked/package/LICENSE" node_modules/node/LICENSE ||
      say "not found; the build will ask for node_modules/node/LICENSE"
    rm -rf "$unpacked"
  fi
  # npm leaves out, without a word, optional packages that want another Node than it runs on: native parts of Vitest on Debian 12,
  # whose Node is 18. Here they run on the Node just installed, so npm looks once more, with that one.
  if [ -n "$installer" ] && [ "$installer" != "$(node_modules/node/bin/node --version)" ]; then
    PATH=$PWD/node_modules/node/bin:$PATH NODE_NO_WARNINGS=1 npm install --no-save --no-progress --loglevel=error >/dev/null || {
      rm -f node_modules/.package-lock.json # begin anew the next time
      fail "npm could not install what wants another Node than $installer; above is why"
    }
    touch node_modules/.package-lock.json
  fi
}

# --- Debian packages --------------------------------------------------------------------------------------------------------

# Installs the packages that are missing; argument: "command=package" words.
need_commands() {
  missing=
  for pair in "$@"; do
    command -v "${pair%%=*}" >/dev/null || missing="$missing ${pair#*=}"
  done
  [ -n "$missing" ] || return 0
  command -v apt-get >/dev/null ||
    fail "these are missing:$missing (Debian's names; no apt-get here, install them in this system's own way)"
  say "installing Debian packages:$missing"
  install_packages $missing 2>/dev/null || {
    say 'the package lists may be old: apt-get update'
    apt-get -qq update && install_packages $missing
  } || fail "apt-get could not install:$missing"
}

install_packages() {
  DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 install "$@" >/dev/null
}

# --- engine root file systems -----------------------------------------------------------------------------------------------

engine_ready() {
  [ -x "$cache/engines/$1/usr/sbin/dockerd" ] && read -r made <"$cache/engines/$1/etc/netd-testbed" 2>/dev/null && [ "$made" = "$recipe" ]
}

# The Debian mirror this machine already uses, or Debian's own.
debian_mirror() {
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(LABEL)' 'Created-By: Packages' 2>/dev/null |
    awk '$2 == "Debian" && $1 ~ /^https?:/ { print $1; exit }')
  echo "${mirror:-http://deb.debian.org/debian}"
}

# Makes a Debian root file system: debian_root SUITE PACKAGE,… TARGET (a directory or a .tar) WHAT-FOR.
debian_root() {
  need_commands mmdebstrap=mmdebstrap
  keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  [ -e $keyring ] || install_packages debian-archive-keyring || true
  mirror=$(debian_mirror)
  say "making $4 of Debian $1, from $mirror (about half a minute)"
  log=$3.log suite=$1 target=$3 what=$4
  set -- --mode=root --variant=essential "--include=$2" \
    '--aptopt=Acquire::Check-Valid-Until "false"' \
    '--dpkgopt=path-exclude=/usr/share/man/*' '--dpkgopt=path-exclude=/usr/share/doc/*' \
    '--dpkgopt=path-exclude=/usr/share/locale/*'
  [ -e $keyring ] && set -- "$@" "--keyring=$keyring"
  for option in Acquire::http::Proxy Acquire::https::Proxy; do
    eval "$(apt-config shell proxy $option)"
    [ -z "${proxy:-}" ] || set -- "$@" "--aptopt=$option \"$proxy\""
    proxy=
  done
  if ! mmdebstrap "$@" "$suite" "$target" "$mirror" >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -rf --one-file-system "$target"
    fail "mmdebstrap could not make $what from $mirror; the whole log is $log"
  fi
  rm -f "$log"
}

build_engine() {
  suite=$1
  packages=$engine_packages
  [ "$suite" = bookworm ] || packages=$packages,docker-cli # older docker.io packages have the client inside
  new=$cache/engines/.new-$suite-$$
  rm -rf "$cache/engines/.new-$suite-"*
  debian_root "$suite" "$packages" "$new" "a root file system of 400 MB with the Docker engine"
  version=$(dpkg-query --admindir="$new/var/lib/dpkg" -W -f '${Version}' docker.io | sed 's/^[0-9]*://; s/[^0-9.].*//')
  echo "$recipe" >"$new/etc/netd-testbed"
  [ ! -e "$cache/engines/$version" ] || mv "$cache/engines/$version" "$cache/engines/.old-$suite-$$"
  mv "$new" "$cache/engines/$version"
  ln -sfn "$version" "$cache/engines/$suite"
  rm -rf --one-file-system "$cache/engines/.old-$suite-$$"
  [ "$version" = "$(expected_version "$suite")" ] ||
    say "note: Debian $suite no longer carries Docker $(expected_version "$suite"); it has $version, which is used instead"
  say "Docker $version is ready"
}

# A database as an image: the layer of the application that `npm start` shows.
database_ready() { [ $database = no ] || [ -e "$cache/images/redis.tar" ]; }

build_database() {
  mkdir -p "$cache/images"
  rm -f "$cache/images/.new-redis-"*
  debian_root bookworm redis-server "$cache/images/.new-redis-$$.tar" "an image of 120 MB with the Redis database"
  mv "$cache/images/.new-redis-$$.tar" "$cache/images/redis.tar"
}

# A root file system of nothing but busybox, the layer of the test image.
image_ready() { [ -e "$cache/images/busybox.tar" ]; }

build_image() {
  say 'making the test image (busybox)'
  mkdir -p "$cache/images"
  work=$cache/images/.new-$$
  mkdir -p "$work/bin" "$work/etc" "$work/root" "$work/tmp" "$work/var" "$work/usr"
  cp "$(command -v busybox)" "$work/bin/busybox"
  for applet in $(busybox --list); do
    [ "$applet" = busybox ] || ln -s busybox "$work/bin/$applet"
  done
  ln -s ../bin "$work/usr/bin"
  ln -s ../bin "$work/usr/sbin"
  ln -s bin "$work/sbin"
  chmod 1777 "$work/tmp"
  printf 'root:x:0:0:root:/root:/bin/sh\nwww:x:1000:1000:www:/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/false\n' >"$work/etc/passwd"
  printf 'root:x:0:\nwww:x:1000:\nextra:x:1001:www\nnogroup:x:65534:\n' >"$work/etc/group"
  # One fixed time and order: the same busybox gives the same image on every machine.
  tar -C "$work" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$work.tar" .
  rm -rf "$work"
  mv "$work.tar" "$cache/images/busybox.tar"
}

# What the test bed calls on this machine, each with its package.
tools='ip=iproute2 unshare=util-linux nsenter=util-linux nft=nftables iptables-legacy=iptables'

testbed_ready() {
  for tool in $tools; do
    command -v "${tool%%=*}" >/dev/null || return 1
  done
  [ $bench = no ] || { command -v dnsperf && command -v iperf3 && command -v busybox; } >/dev/null || return 1
  for suite in $suites; do
    engine_ready "$suite" || return 1
  done
  image_ready && database_ready
}

setup_testbed() {
  need_commands $tools
  [ $bench = no ] || need_commands dnsperf=dnsperf iperf3=iperf3 busybox=busybox
  mkdir -p "$cache/engines"
  # One builder at a time; a second one waits, and then finds the work done.
  exec 9>"$cache/lock"
  flock 9
  for suite in $suites; do
    engine_ready "$suite" || build_engine "$suite"
  done
  database_ready || build_database
  if ! image_ready; then
    need_commands busybox=busybox-static
    build_image
  fi
}

# --- main -------------------------------------------------------------------------------------------------------------------

npm=yes testbed=yes database=no bench=no suites=$all_suites
while [ $# -gt 0 ]; do
  case $1 in
    --npm-only) testbed=no ;;
    --testbed-only) npm=no ;; # how this script calls itself as root
    --database) database=yes ;;
    --bench) bench=yes ;;
    --engines=*) suites=$(echo "${1#*=}" | tr , ' ') ;;
    --engines)
      [ $# -gt 1 ] || fail "--engines wants a list: any of $(echo $all_suites | tr ' ' ,)"
      suites=$(echo "$2" | tr , ' ')
      shift
      ;;
    *) echo "usage: setup.sh [--npm-only] [--engines SUITE,...] [--database] [--bench]   (unknown: $1)" >&2; exit 2 ;;
  esac
  shift
done
for suite in $suites; do
  case " $all_suites " in *" $suite "*) ;; *) fail "--engines: no suite '$suite'; known are $all_suites" ;; esac
done

[ $npm = no ] || setup_npm
[ $testbed = no ] || testbed_ready && exit 0
if [ "$(id -u)" -eq 0 ]; then
  setup_testbed
else
  set -- --testbed-only --engines "$(echo $suites | tr ' ' ,)"
  [ $database = no ] || set -- "$@" --database
  [ $bench = no ] || set -- "$@" --bench
  exec sh scripts/as-root.sh sh scripts/setup.sh "$@"
fi
