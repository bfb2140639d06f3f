#!/usr/bin/env bash
# Installs with apt what `python -m tests.powercut uml` needs beyond tools/setup.sh: the
# User-Mode Linux kernel, ext4's tools, and a library that swallows fsync for the control.
# No KVM, no privileges to run it afterwards. A second run with nothing to do ends at once.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

say() { printf 'set-up: %s\n' "$*" >&2; }
fail() {
  say "$*"
  exit 1
}

missing=()
command -v linux.uml >/dev/null || missing+=(user-mode-linux)
command -v mke2fs >/dev/null && command -v e2fsck >/dev/null && command -v debugfs >/dev/null ||
  missing+=(e2fsprogs)
compgen -G '/usr/lib/*/libeatmydata.so' >/dev/null || missing+=(libeatmydata1)
[ ${#missing[@]} -gt 0 ] || exit 0

[ "$(uname -m)" = x86_64 ] || fail "User-Mode Linux runs on x86-64 only; this is $(uname -m)"
command -v apt-get >/dev/null || fail "this system has no apt-get; install ${missing[*]} by its means"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || fail "not root, and no sudo here; as root: apt-get install ${missing[*]}"
  as_root=(sudo)
fi
say "installing ${missing[*]} with apt"
apt_get() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q "$@" </dev/null >&2; }
# Package lists may be absent or old: only then an update.
apt_get install -y --no-install-recommends "${missing[@]}" ||
  { apt_get update && apt_get install -y --no-install-recommends "${missing[@]}"; } ||
  fail "could not install ${missing[*]}, see above"
