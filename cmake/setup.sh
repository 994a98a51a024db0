#!/usr/bin/env bash
# cmake/setup.sh [--long]: the one place that installs packages. For Debian 12, as root or with sudo.
#
# What is installed already is left alone, so a second call needs neither network nor root. `--long` adds what only
# `./test --long` needs. The table in docs/dependencies.md says why each package is here; tests/tidy compares the two.
#
# Debian starts a service when it installs it, and mosquitto's would take port 1883. So while apt runs, and only then,
# a policy-rc.d forbids every start, stop and restart of a service; a broker that runs already is not touched.
set -euo pipefail

PACKAGES=(
  # build
  g++ cmake ninja-build pkg-config ccache
  # libraries
  libpaho-mqttpp-dev libpaho-mqtt-dev libssl-dev libmbedtls-dev nettle-dev liblmdb-dev libsodium-dev libboost1.81-dev
  libcbor-dev libtomlplusplus-dev libcli11-dev nlohmann-json3-dev zlib1g-dev libp11-kit-dev
  # tests and demonstration
  catch2 clang-format curl golang-go golang-golang-x-mod-dev groff-base mosquitto mosquitto-clients opensc openssl
  python3 python3-cryptography python3-paho-mqtt python3-prometheus-client softhsm2 strace faketime
)
LONG_PACKAGES=(clang-tidy clang-14 libclang-rt-14-dev)

POLICY=/usr/sbin/policy-rc.d
SAVED=/usr/sbin/policy-rc.d.before-sealring
MARK="# made by sealring's cmake/setup.sh for the time of one installation"
LOCK=/run/sealring-setup.lock

say() { echo "set-up: $*"; }
die() { echo "set-up: $*" >&2; exit 1; }

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

missing_packages() {
  local package
  for package in "$@"; do installed "$package" || echo "$package"; done
}

forbid_services() {
  # One of ours that a killed run left behind is not worth keeping; anybody else's comes back in allow_services.
  if [ -e "$POLICY" ] && ! grep -qxF "$MARK" "$POLICY"; then mv "$POLICY" "$SAVED"; fi
  trap allow_services EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  printf '#!/bin/sh\n%s\nexit 101\n' "$MARK" >"$POLICY"
  chmod 0755 "$POLICY"
}

allow_services() {
  rm -f "$POLICY"
  if [ -e "$SAVED" ]; then mv "$SAVED" "$POLICY"; fi
}

# Runs as root: install_as_root PACKAGE...
install_as_root() {
  exec 9>"$LOCK"
  flock 9
  local had_broker=yes
  installed mosquitto || had_broker=no
  forbid_services
  export DEBIAN_FRONTEND=noninteractive
  apt-get -q -o DPkg::Lock::Timeout=300 update || die "apt-get update failed: is the network there?"
  apt-get -q -y -o DPkg::Lock::Timeout=300 --no-install-recommends install "$@" || die "apt-get install failed"
  if [ "$had_broker" = no ] && installed mosquitto && command -v systemctl >/dev/null; then
    # It came as a tool of the tests: it should not listen on 1883 after the next boot either.
    systemctl disable mosquitto.service >/dev/null 2>&1 || say "mosquitto.service could not be disabled"
  fi
}

main() {
  local want=("${PACKAGES[@]}") missing
  [ "${1:-}" != --long ] || want+=("${LONG_PACKAGES[@]}")
  command -v dpkg-query >/dev/null || die "this is not Debian; needed are: ${want[*]}"
  mapfile -t missing < <(missing_packages "${want[@]}")
  if [ ${#missing[@]} -eq 0 ]; then return; fi
  say "installing ${#missing[@]} packages: ${missing[*]}"
  local log
  log=$(mktemp)
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "run as root, or install: ${missing[*]}"
    as_root=(sudo)
  fi
  if ! "${as_root[@]}" bash "${BASH_SOURCE[0]}" --as-root "${missing[@]}" >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    rm -f "$log"
    die "installing failed"
  fi
  rm -f "$log"
}

if [ "${1:-}" = --as-root ]; then
  shift
  install_as_root "$@"
else
  main "$@"
fi
