# Sourced from the repository's root: find Python and install the pinned uv, which uses pip's package index.
source scripts/step.sh

is_supported() { # a name on the path may be only a version manager's shim, so run it
  "$1" -c 'import sys; sys.exit(sys.version_info[:2] not in {(3, 12), (3, 13)})' >/dev/null 2>&1
}

find_python() { # print the newest supported Python
  local candidate
  for candidate in python3.13 python3.12 python3 \
    $(ls -d "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[32].*/bin/python3 2>/dev/null | sort -rV); do
    if is_supported "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
}

install_uv() {
  local python=$PYTHON
  if ! "$python" -m pip --version; then
    "$PYTHON" -m venv .cache/pip || return
    python=.cache/pip/bin/python
  fi
  rm -rf .cache/uv
  "$python" -m pip install --disable-pip-version-check --no-compile --only-binary :all: --require-hashes \
    --target .cache/uv -r requirements/uv.txt || return
  cp requirements/uv.txt .cache/uv/
}

uv() {
  .cache/uv/bin/uv "$@"
}

PYTHON=${PYTHON:-$(find_python)}
if [ -z "$PYTHON" ]; then
  echo "Streakline needs Python 3.13 (or 3.12), and this machine has neither." \
    "Install one, or name it: make PYTHON=/path/to/python3.13" >&2
  exit 1
elif ! is_supported "$PYTHON"; then
  echo "Streakline needs Python 3.13 (or 3.12), and $PYTHON is not one that runs." >&2
  exit 1
fi
if ! cmp -s requirements/uv.txt .cache/uv/uv.txt; then
  step "Installing uv" install_uv
fi
# uv reads neither pip's settings nor the machine's certificates unless it is told to.
index=${PIP_INDEX_URL:-$("$PYTHON" -m pip config get global.index-url 2>/dev/null || true)}
if [ -n "$index" ] && [ -z "${UV_DEFAULT_INDEX:-}" ]; then
  export UV_DEFAULT_INDEX=$index
fi
export UV_SYSTEM_CERTS=true UV_PYTHON_DOWNLOADS=never
