#!/bin/sh
# Makes libs/mailwire from proto/. `sh proto/generate.sh DIR` writes to another folder (make check compares).
set -eu
cd "$(dirname "$0")"
out=${1:-../libs/mailwire/src}
bin=$(cd ../.venv/bin && pwd)
mkdir -p "$out"
PATH="$bin:$PATH" python -m grpc_tools.protoc -I . --python_out="$out" --grpc_python_out="$out" \
  --mypy_out="$out" --mypy_grpc_out="$out" $(find mailwire -name '*.proto' | LC_ALL=C sort)
find "$out/mailwire" -type d | while read -r folder; do
  [ -f "$folder/__init__.py" ] || : >"$folder/__init__.py"
done
