#!/bin/sh
# Writes the small models of the scorer's tests from made-up data: test/fixtures/model (LightGBM) and one of each other
# kind in test/fixtures/models. Same bytes every time.
set -eu
cd "$(dirname "$0")"
. ./venv.sh
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$PYTHON" -m fraudstream_training synthetic --out "$folder/wide" --rows 40000
"$PYTHON" -m fraudstream_training train --features "$folder/wide" --out ../test/fixtures/model --name fixture \
  --early-stopping 0 --description "made-up data: fraudstream_training synthetic --rows 40000"
"$PYTHON" -m fraudstream_training synthetic --out "$folder/narrow" --rows 30000 --features 12
# More than 100 trees: leaves are doubles.
"$PYTHON" -m fraudstream_training train --features "$folder/narrow" --out ../test/fixtures/models/xgboost \
  --kind xgboost --trees 40 --depth 3 --seeds 3 --params '{"subsample": 0.7}' --early-stopping 0 \
  --calibration platt --description "made-up data"
"$PYTHON" -m fraudstream_training train --features "$folder/narrow" --out ../test/fixtures/models/forest \
  --kind forest --trees 20 --params '{"max_depth": 5}' --description "made-up data"
"$PYTHON" -m fraudstream_training train --features "$folder/narrow" --out ../test/fixtures/models/logistic \
  --kind logistic --description "made-up data"
