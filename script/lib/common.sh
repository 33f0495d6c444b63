# shellcheck shell=bash
# What the scripts beside this folder share. To be sourced, from the top of the tree.

set -euo pipefail

say() { printf '%s\n' "$*" >&2; }
die() {
  say "$(basename "$0"): $*"
  exit 1
}

# The packages of the groups named, one a line (see script/packages).
packages_of() {
  local group
  for group in "$@"; do
    sed -n "s/^$group: *//p" script/packages | tr ' ' '\n'
  done | sort -u
}

# Those of the packages named that are not installed.
missing_of() {
  local have
  have=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
    sed -n 's/^installed //p' | sort -u) || true
  comm -23 <(printf '%s\n' "$@" | sort -u) <(printf '%s\n' "$have")
}

# Sees to it that the package groups named are installed. Asks nobody and does nothing, not even
# look at the network, when they are.
need() {
  local wanted missing
  mapfile -t wanted < <(packages_of "$@")
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    [ -n "${HUFU_PACKAGES_ARE_HERE:-}" ] && return
    say "This system has no apt. Hufu is built and tested on Debian 12; elsewhere, install what"
    say "these Debian packages hold, then run this again with HUFU_PACKAGES_ARE_HERE=1:"
    printf '  %s\n' "${wanted[@]}" >&2
    exit 1
  fi
  mapfile -t missing < <(missing_of "${wanted[@]}")
  [ ${#missing[@]} -eq 0 ] && return

  local become=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
      die "these packages are missing; install them as root, then run this again: ${missing[*]}"
    become=(sudo)
  fi
  say "Installing ${#missing[@]} packages: ${missing[*]}"
  # Services that come along (a web server, a cache) must not start: policy-rc.d says so meanwhile.
  # shellcheck disable=SC2016  # expanded by the inner shell
  "${become[@]}" sh -c '
    export DEBIAN_FRONTEND=noninteractive
    if [ ! -e /usr/sbin/policy-rc.d ]; then
      trap "rm -f /usr/sbin/policy-rc.d" EXIT
      printf "#!/bin/sh\nexit 101\n" >/usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d
    fi
    said=$(mktemp)
    { apt-get -qq update && apt-get -qq -y -o Dpkg::Use-Pty=0 install --no-install-recommends "$@"
    } >"$said" 2>&1 || { tail -n 20 "$said" && rm "$said" && exit 1; }
    rm "$said"' sh "${missing[@]}" >&2 ||
    die "apt-get could not install them. Hufu needs the packages of Debian 12 (bookworm)."
}

# How many compilers may run at once: one a core, and 1.5 GB of memory for each.
jobs_at_once() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/^MemAvailable:/ { print int($2 / 1500000) }' /proc/meminfo)
  [ "$memory" -ge 1 ] || memory=1
  [ "$memory" -lt "$cores" ] && cores=$memory
  echo "$cores"
}

# build PRESET [TARGET…]: configures where needed, then builds. Quick when nothing has changed.
build() {
  local preset=$1 began=$SECONDS targets=() style=()
  shift
  if [ ! -f "build/$preset/build.ninja" ]; then
    say "Configuring build/$preset"
    cmake --preset "$preset" >/dev/null || return 1
  fi
  ninja -C "build/$preset" -n "$@" 2>/dev/null | grep -q 'no work to do' && return
  say "Building build/$preset${*:+: $*}"
  [ $# -eq 0 ] || targets=(--target "$@")
  [ -t 2 ] || style=(-- --quiet)  # a line for each file is for people who watch
  cmake --build "build/$preset" --parallel "$(jobs_at_once)" "${targets[@]}" "${style[@]}" >&2 ||
    return 1
  say "Built in $((SECONDS - began)) s"
}

# Builds the server that the MongoDB tests run against where there is no real one: a Go program in
# tests/servers/ferretdb. Where there is no Go that can build it, those tests say "not run".
build_ferretdb() {
  local out=$PWD/build/servers/ferretdb source=tests/servers/ferretdb
  [ -n "${HUFU_TEST_MONGODB_URI:-}" ] && return
  command -v mongod >/dev/null && return
  [ -x "$out" ] && [ -z "$(find "$source" -newer "$out")" ] && return
  if ! command -v go >/dev/null; then
    say "No Go: the tests that need a MongoDB server will not run"
    return
  fi
  say "Building build/servers/ferretdb"
  # A Go that is too old fetches one that is not, as it fetches modules.
  (cd "$source" && GOTOOLCHAIN=auto GOFLAGS=-mod=readonly go build -trimpath -o "$out" .) >&2 ||
    say "It could not be built: the tests that need a MongoDB server will not run"
}

# install_node_modules NAME: what the Node.js program of tests/NAME stands on, into build/NAME. Where
# it cannot be had, the test with that program says "not run".
install_node_modules() {
  local name=$1
  local out=build/$name source=tests/$name
  [ -d "$out/node_modules" ] && cmp -s "$source/package-lock.json" "$out/package-lock.json" && return
  if ! command -v npm >/dev/null; then need node; fi
  say "Installing $out"
  rm -rf "$out" && mkdir -p "$out" && cp "$source"/package*.json "$out" || return
  (cd "$out" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >&2 ||
    say "It could not be installed: the test with the Node.js program of $source will not run"
}

# A program as there were before Hufu, on mongoose.
install_legacy() { install_node_modules legacy; }

# A real OAuth 2.0 server, oidc-provider.
install_oauth() { install_node_modules oauth; }

# Installs the SDKs that the snippets of docs/how-to/point-an-sdk-here.md are tried with. Go keeps its modules and what it
# built of them where it always does.
install_snippets() {
  local out=build/snippets source=tests/snippets
  if ! command -v go >/dev/null; then need go; fi
  if ! python3 -c 'import ensurepip' 2>/dev/null; then need venv; fi
  if ! PATH=$PATH:/usr/sbin command -v nginx >/dev/null; then need nginx; fi
  install_node_modules snippets/node
  if [ -f "$out/complete" ] && [ -z "$(find "$source" -newer "$out/complete" \
    \( -name 'go.*' -o -name requirements.txt \))" ]; then
    return
  fi
  say "Installing $out"
  rm -rf "$out/go" "$out/python" "$out/complete" && mkdir -p "$out/go" &&
    cp "$source"/go/{go.mod,go.sum} "$out/go" || return
  if python3 -m venv "$out/python" &&
    "$out/python/bin/pip" -q --disable-pip-version-check install -r "$source/python/requirements.txt" >&2 &&
    (cd "$out/go" && printf 'package main\nimport _ "github.com/silenceper/wechat/v2"\nfunc main() {}\n' >main.go &&
      GOFLAGS=-mod=readonly go build -o program .) >&2; then
    touch "$out/complete"
  else
    say "They could not be installed: the test of the snippets will not run"
  fi
}
