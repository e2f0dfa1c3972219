#!/bin/sh
# `make check`: everything that can be said about the tree without running it.
set -eu
cd "$(dirname "$0")/.."
bin=.venv/bin
fail=0
step() {
  name=$1
  shift
  if output=$("$@" 2>&1); then
    echo "ok    $name"
  else
    echo "FAIL  $name"
    echo "$output" | tail -40
    fail=1
  fi
}

generated() {
  fresh=$(mktemp -d)
  trap 'rm -rf "$fresh"' EXIT
  sh proto/generate.sh "$fresh"
  diff -r -x __pycache__ -x py.typed -x __init__.py "$fresh/mailwire" libs/mailwire/src/mailwire
}

sizes() {
  long=$(git ls-files '*.py' | grep -v '^libs/mailwire/' | xargs wc -l | awk '$2 != "total" && $1 > 700 { print $2 ": " $1 " lines, split it by what it knows" }')
  [ -z "$long" ] || { echo "$long"; return 1; }
}

addresses() {
  if git grep -nE 'https?://[^ ]*(pypi|pythonhosted|npmjs|deb\.debian|index-url)' -- . ':!tests/check.sh'; then return 1; fi
}

step "ruff check" $bin/ruff check .
step "ruff format" $bin/ruff format --check .
step "mypy --strict" $bin/mypy $(ls -d libs/*/src services/*/src cli/*/src | grep -v mailwire) tests
step "import contracts" $bin/lint-imports
step "buf lint" $bin/buf lint proto
step "generated code is up to date" generated
step "file sizes" sizes
step "no registry address" addresses
step "kustomize renders" sh -c "$bin/kubectl kustomize deploy/k8s/base >/dev/null"
exit $fail
