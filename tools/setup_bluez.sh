#!/usr/bin/env bash
# What `make bluez-vm` needs besides `make setup` (x86-64 Debian and its kin): an emulator, a message
# bus, a kernel with Bluetooth, bluetoothd, and a shell for the machine's first moments. QEMU and
# dbus-daemon are installed with apt, after saying so. Kernel, bluez and busybox are only downloaded
# and unpacked into .bluez-vm/: no kernel, boot loader, service or udev rule of this system changes.
#
# A second run with nothing to do ends at once. `rm -r .bluez-vm` fetches anew.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin
. tools/apt.sh

cache=.bluez-vm
[ "$(uname -m)" = x86_64 ] || fail "the machine of make bluez-vm is made for x86-64 hosts only"

# ------------------------------------------------------------------------------------ installed

missing=()
command -v qemu-system-x86_64 >/dev/null || missing+=(qemu-system-x86)
command -v dbus-daemon >/dev/null || missing+=(dbus-daemon)
if [ ${#missing[@]} -gt 0 ]; then
  say "missing for BlueZ in a machine of its own: ${missing[*]} (emulator, message bus)"
  need_root_for "${missing[@]}"
  say "installing with apt"
  install_packages "${missing[@]}"
fi

# -------------------------------------------------------------------------------------- fetched

# linux-image-amd64 is only a name for the newest kernel; the `cloud` ones have no Bluetooth.
kernel_package() {
  apt-cache depends linux-image-amd64 2>/dev/null |
    sed -nE 's/^ *Depends: (linux-image-[0-9].*)/\1/p' | grep -v cloud | head -n 1
}

fetch() {
  command -v apt-get >/dev/null || fail "this system has no apt-get to fetch a Debian kernel with"
  local kernel
  kernel=$(kernel_package)
  if [ -z "$kernel" ]; then
    need_root_for "the package lists"
    say "fetching the package lists first (apt-get update)"
    apt_get update || fail "could not fetch the package lists: apt-get update failed, see above"
    kernel=$(kernel_package)
  fi
  [ -n "$kernel" ] || fail "apt knows no linux-image-amd64; Debian has it"
  say "fetching $kernel, bluez and busybox-static (about 75 MB) into $cache; none is installed"
  rm -rf "$cache/new" && mkdir -p "$cache/new/root"
  (cd "$cache/new" && apt-get -q download "$kernel" bluez busybox-static >&2) ||
    fail "could not download them; sudo apt-get update, then run make again"
  local package
  for package in "$cache"/new/*.deb; do dpkg -x "$package" "$cache/new/root"; done
  rm -rf "$cache/root" && mv "$cache/new/root" "$cache/root" && rm -rf "$cache/new"
}

[ -d "$cache/root" ] || fetch

# bluetoothd runs on this system's libraries.
absent=$(ldd "$cache/root"/usr/libexec/bluetooth/bluetoothd | sed -nE 's/^\s*(\S+) => not found/\1/p')
if [ -n "$absent" ]; then
  libraries=(libasound2 libdbus-1-3 libdw1 libglib2.0-0)
  say "bluetoothd needs libraries that are missing:" $absent
  need_root_for "${libraries[@]}"
  say "installing with apt"
  install_packages "${libraries[@]}"
fi
