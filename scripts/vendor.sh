#!/usr/bin/env bash
# Write the libraries of the dashboard's page to dashboard/vendor, with their licences. Needs npm, which runs no
# code of the packages. To take another version, change it here together with its hash.
set -euo pipefail
cd "$(dirname "$0")/.."

PREACT=preact-11.2.0
PREACT_SHA512=/HfHI/7N84e6GrWBJ3J280z3mLaRJiDcSvj/A+y/4AbLnND/1UlGHe1sR6oYuTGwId0nP7dqDU9OnLxMPZ7xBg==
HTM=htm-3.1.1
HTM_SHA512=983Vyg8NwUE7JkZ6NmOqpCZ+sh1bKv2iYTlUkzlWmA5JD2acKoxd4KVxbMmxX/85mtfdnDmTFoNKcg5DGAvxNQ==

target=dashboard/vendor
staged=$(mktemp -d)
trap 'rm -rf "$staged"' EXIT

fetch() { # NAME-VERSION SHA512: unpack the package into $staged/NAME-VERSION
  npm pack --silent --pack-destination "$staged" "${1%-*}@${1##*-}" >/dev/null
  local found
  found=$(openssl dgst -sha512 -binary "$staged/$1.tgz" | openssl base64 -A)
  if [ "$found" != "$2" ]; then
    echo "$1 has the hash $found, not $2" >&2
    exit 1
  fi
  mkdir "$staged/$1"
  tar -xzf "$staged/$1.tgz" -C "$staged/$1" --strip-components 1
}

module() { # FILE NAME: write a module under the vendor directory. Browsers resolve no bare names.
  sed -e 's#from"preact"#from"./preact.js"#' -e '/^\/\/# sourceMappingURL=/d' "$1" >"$target/$2"
}

fetch "$PREACT" "$PREACT_SHA512"
fetch "$HTM" "$HTM_SHA512"
mkdir -p "$target"
module "$staged/$PREACT/dist/preact.mjs" preact.js
module "$staged/$PREACT/hooks/dist/hooks.mjs" preact-hooks.js
module "$staged/$HTM/dist/htm.mjs" htm.js
cp "$staged/$PREACT/LICENSE" "$target/LICENSE.preact"
cp "$staged/$HTM/LICENSE" "$target/LICENSE.htm"
printf '%s (MIT)\n%s (Apache 2.0)\n' "$PREACT" "$HTM" >"$target/VERSIONS"
