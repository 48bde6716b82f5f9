# Sourced from the repository's root: find Python and install the pinned uv, which uses pip's package index.
source scripts/step.sh
source scripts/python.sh

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

if ! cmp -s requirements/uv.txt .cache/uv/uv.txt; then
  step "Installing uv" install_uv
fi
# uv reads neither pip's settings nor the machine's certificates unless it is told to.
index=${PIP_INDEX_URL:-$("$PYTHON" -m pip config get global.index-url 2>/dev/null || true)}
if [ -n "$index" ] && [ -z "${UV_DEFAULT_INDEX:-}" ]; then
  export UV_DEFAULT_INDEX=$index
fi
export UV_SYSTEM_CERTS=true UV_PYTHON_DOWNLOADS=never
