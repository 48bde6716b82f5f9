#!/usr/bin/env bash
# Remove everything that set-up and runs left in this checkout. Refuse while a local stack runs from it.
set -euo pipefail
cd "$(dirname "$0")/.."

# `streakline up` starts MiniStack with this command line, whatever STREAKLINE_LOCAL is.
stacks=$(ps -eo pid=,args= | awk -v python="$(pwd -P)/.cache/tools/bin/python" '$2 == python && $4 == "ministack" {print $1}')
if [ -n "$stacks" ]; then
  echo "A local stack runs from this checkout (process" $stacks"). End it first: make down" >&2
  exit 1
fi
rm -rf .venv .cache .aws-sam .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage .coverage.* htmlcov \
  build ./*.egg-info mutants
find . -name .git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
