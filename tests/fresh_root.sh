#!/usr/bin/env bash
# tests/fresh_root.sh [COMMAND...]: does the repository work on a Debian 12 that has nothing installed?
#
# Makes a minimal Debian 12 in a folder (mmdebstrap, variant minbase, with this machine's package sources), clones this
# repository's HEAD into it and runs each COMMAND there, in a chroot, by default ./run and then ./test. Needs root,
# mmdebstrap and git. By hand before a release; not a part of ./test, because it downloads some hundred megabytes.
# FRESH_ROOT=DIR keeps and uses again the folder DIR.
set -euo pipefail

repository=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
commands=("$@")
[ $# -gt 0 ] || commands=(./run ./test)
[ "$(id -u)" -eq 0 ] || { echo "fresh_root.sh: needs root" >&2; exit 2; }

root=${FRESH_ROOT:-}
mounted=()
clean_up() {
  local place
  for place in "${mounted[@]}"; do umount "$place" || umount -l "$place"; done
  # Never through a mount that is still there.
  if [ -z "${FRESH_ROOT:-}" ] && [ -n "$root" ] && ! grep -qF " $root/" /proc/self/mounts; then
    rm -rf --one-file-system "$root"
  fi
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
[ -n "$root" ] || root=$(mktemp -d)

if [ ! -e "$root/etc/debian_version" ]; then
  mmdebstrap --quiet --variant=minbase --include=ca-certificates bookworm "$root"
fi
# This machine's Debian sources and apt's settings, so that the chroot finds its packages where we find ours.
rm -f "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/*
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
  if grep -qsE 'debian-archive-keyring|^deb [^ ]+/debian' "$file"; then cp -a "$file" "$root$file"; fi
done
for file in /etc/apt/apt.conf.d/*; do
  if grep -qsi '^ *acquire' "$file"; then cp -a "$file" "$root/etc/apt/apt.conf.d/"; fi
done
cp -aL /etc/resolv.conf /etc/hosts "$root/etc/"
cp -a /etc/ssl/certs/. "$root/etc/ssl/certs/"
for kind in proc sysfs; do
  target=$root/${kind/sysfs/sys}
  mount -t "$kind" "$kind" "$target" 2>/dev/null || mount --rbind "/${kind/sysfs/sys}" "$target"
  mounted=("$target" "${mounted[@]}")
done

# Terminals of its own.
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
mounted=("$root/dev/pts" "${mounted[@]}")
ln -sf pts/ptmx "$root/dev/ptmx"

rm -rf "$root/sealring"
git clone --quiet --no-hardlinks "$repository" "$root/sealring"
echo "fresh root: $(git -C "$root/sealring" log -1 --format='%h %s')"
for command in "${commands[@]}"; do
  echo "fresh root: $command"
  began=$SECONDS
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
    chroot "$root" bash -c "cd /sealring && $command"
  echo "fresh root: $command took $((SECONDS - began)) s"
done
