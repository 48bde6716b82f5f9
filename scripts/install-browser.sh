#!/usr/bin/env bash
# Make sure that there is a browser for tests/e2e: an installed Chromium or Chrome, or else Debian's package.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/step.sh

has_browser() {
  local name
  for name in chromium chromium-browser google-chrome google-chrome-stable; do
    if "$name" --version >/dev/null 2>&1; then return; fi
  done
  [ -x "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" ]
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

install_chromium() {
  as_root apt-get update && as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install --yes --no-install-recommends chromium fonts-liberation
}

if has_browser; then exit; fi
if command -v apt-get >/dev/null && as_root true 2>/dev/null; then
  step "Installing the Debian package chromium for the browser tests" install_chromium || true
fi
if ! has_browser; then
  echo "There is no browser: install Chromium or Chrome to run the browser tests." >&2
fi
