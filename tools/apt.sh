# Sourced by the set-up scripts: how packages are installed with apt, and what is said when that
# cannot be. Not here: which ones, and why. `runlevel` may be set for one call.

say() { printf 'set-up: %s\n' "$*" >&2; }
fail() {
  say "$*"
  exit 1
}

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }

need_root_for() { # packages…: ends here, with the command to type, where apt cannot be used
  command -v apt-get >/dev/null ||
    fail "this system has no apt-get; install $* by its own means, then run make again"
  [ "$(id -u)" -ne 0 ] || return 0
  command -v sudo >/dev/null ||
    fail "not root, and no sudo here; as root: apt-get install $*; then run make again"
  # With a terminal sudo may ask for the password; without one it must not wait for it.
  [ -t 0 ] || sudo -n true 2>/dev/null ||
    fail "sudo would ask for a password and there is no terminal; sudo apt-get install $*; then run make again"
}

apt_get() { as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL="${runlevel:-}" apt-get -q "$@" </dev/null >&2; }

install_packages() { # packages…
  # Package lists may be absent, or so old that the files they name are gone: only then an update.
  apt_get install -y --no-install-recommends "$@" && return
  say "fetching the package lists first (apt-get update)"
  apt_get update || fail "could not fetch the package lists: apt-get update failed, see above"
  apt_get install -y --no-install-recommends "$@" ||
    fail "could not install $*: apt-get failed, see above"
}
