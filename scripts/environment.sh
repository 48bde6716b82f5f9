#!/usr/bin/env bash
# Set up an environment with exactly the packages of a lock file.
# usage: environment.sh run|dev|bench|mutation    the project's environment, .venv
#        environment.sh tools|tools-dev     the local stack's environment, .cache/tools
#        environment.sh gates               what checks the template, .cache/gates
#
# Each set includes those that are named before it. The environment has a file `.NAME` for each set it includes.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/uv.sh

set=$1
lock=requirements/$set.txt
case $set in
  run) directory=.venv includes=(run) ;;
  dev) directory=.venv includes=(run dev) ;;
  bench) directory=.venv includes=(run dev bench) ;;
  mutation) directory=.venv includes=(run dev mutation) ;;
  tools) directory=.cache/tools includes=(tools) ;;
  tools-dev) directory=.cache/tools includes=(tools tools-dev) ;;
  gates) directory=.cache/gates includes=(gates) ;;
esac

install() {
  "$directory/bin/python" -c '' 2>/dev/null || uv venv --clear --python "$PYTHON" "$directory" || return
  uv pip sync --python "$directory/bin/python" --require-hashes "$lock" || return
  if [ "$directory" = .venv ]; then
    uv pip install --python "$directory/bin/python" --no-deps --editable . \
      --build-constraints requirements/build.txt --require-build-hashes
  elif [ "$directory" = .cache/gates ]; then
    # The package holds cfn-guard's executables and rules in an archive of its own.
    rm -rf "$directory/cfn-guard"
    mkdir "$directory/cfn-guard"
    tar -xzf "$directory"/lib/python3.*/site-packages/cdklabs/cdk_validator_cfnguard/_jsii/*.tgz \
      -C "$directory/cfn-guard" package/bin package/rules package/LICENSE
  fi
}

rm -f "$directory"/.{run,dev,bench,mutation,tools,tools-dev,gates}
step "Installing $(grep -c == "$lock") packages of $lock into $directory" install
for name in "${includes[@]}"; do touch "$directory/.$name"; done
