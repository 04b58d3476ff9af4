#!/bin/sh
# Writes test/fixtures/model, the small model of the scorer's tests, from made-up data. Same bytes every time.
set -eu
cd "$(dirname "$0")"
. ./venv.sh
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$PYTHON" -m fraudstream_training synthetic --out "$folder" --rows 40000
"$PYTHON" -m fraudstream_training train --features "$folder" --out ../test/fixtures/model --name fixture \
  --early-stopping 0 --description "made-up data: fraudstream_training synthetic --rows 40000"
