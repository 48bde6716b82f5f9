# Sourced. step TEXT COMMAND...: run a command quietly. Show the text and how long the command takes; show the
# command's output only if it fails.
step() {
  local text=$1 log=.cache/setup.log begun=$SECONDS status=0 ticker=
  shift
  mkdir -p .cache
  printf '%s ...' "$text" >&2
  if [ -t 2 ]; then
    (while sleep 1 && kill -0 $$; do printf '\r%s ... %d s' "$text" $((SECONDS - begun)) >&2; done) 2>/dev/null &
    ticker=$!
  fi
  "$@" >"$log" 2>&1 </dev/null || status=$?
  if [ -n "$ticker" ]; then
    kill "$ticker" 2>/dev/null || true
    wait "$ticker" 2>/dev/null || true
    printf '\r%s ...' "$text" >&2
  fi
  if [ "$status" -ne 0 ]; then
    printf ' failed:\n' >&2
    cat "$log" >&2
    return "$status"
  fi
  printf ' done (%d s)\n' $((SECONDS - begun)) >&2
}
