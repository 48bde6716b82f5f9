#!/usr/bin/env bash
# Write the lock files: every package with its version and hashes, for each supported Python and platform.
# usage: lock.sh [--upgrade]
#
# A package keeps its locked version if the inputs still allow it; --upgrade takes the newest version instead.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/uv.sh

lock() { # lock OUTPUT ARGUMENTS...: resolve the requirements of the arguments, and write OUTPUT
  local output=$1
  shift
  step "Locking $output" uv pip compile --quiet --universal --python "$PYTHON" --python-version 3.12 \
    --generate-hashes --no-annotate --no-emit-index-url --custom-compile-command "make lock" \
    --output-file "$output" "$@"
}

# The largest sets come first. The others take their versions from them, so that no two environments disagree.
lock requirements/uv.txt requirements/uv.in "$@"
lock requirements/build.txt requirements/build.in "$@"
lock requirements/mutation.txt pyproject.toml --extra dev --extra mutation "$@"
lock requirements/bench.txt pyproject.toml --extra dev --extra bench --constraints requirements/mutation.txt "$@"
lock requirements/tools-dev.txt requirements/tools-dev.in "$@"
lock requirements/dev.txt pyproject.toml --extra dev --constraints requirements/mutation.txt
lock requirements/run.txt pyproject.toml --constraints requirements/mutation.txt
lock functions/requirements.txt functions/requirements.in --constraints requirements/mutation.txt
lock requirements/lowest.txt requirements/lowest.in
lock requirements/tools.txt requirements/tools.in --constraints requirements/tools-dev.txt
lock requirements/gates.txt requirements/gates.in --overrides requirements/gates.overrides.in "$@"
