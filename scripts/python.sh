# Sourced. Find Python: set PYTHON to the newest supported one, unless it names one already.

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

PYTHON=${PYTHON:-$(find_python)}
if [ -z "$PYTHON" ]; then
  echo "Streakline needs Python 3.13 (or 3.12), and this machine has neither." \
    "Install one, or name it: make PYTHON=/path/to/python3.13" >&2
  exit 1
elif ! is_supported "$PYTHON"; then
  echo "Streakline needs Python 3.13 (or 3.12), and $PYTHON is not one that runs." >&2
  exit 1
fi
