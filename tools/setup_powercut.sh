#!/usr/bin/env bash
# What `make powercut` needs besides `make setup`: a C compiler for the recorder of writes, and for
# the second method User-Mode Linux (x86-64 only) with a library that swallows syncs, for its
# control. What is missing is installed with apt, after saying what and why.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin
. tools/apt.sh

missing=()
command -v cc >/dev/null || missing+=(gcc libc6-dev)
command -v mkfs.ext4 >/dev/null || missing+=(e2fsprogs)
if [ "$(uname -m)" = x86_64 ]; then
  command -v linux.uml >/dev/null || missing+=(user-mode-linux)
  compgen -G '/usr/lib/*/libeatmydata.so' >/dev/null || missing+=(libeatmydata1)
fi
[ ${#missing[@]} -gt 0 ] || exit 0
say "missing for the power cuts: ${missing[*]} (recorder of writes, User-Mode Linux)"
need_root_for "${missing[@]}"
say "installing with apt"
install_packages "${missing[@]}"
