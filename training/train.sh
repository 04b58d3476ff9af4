#!/bin/sh
# Makes models/default from the simulator: simulate, export features, train. Same settings, same bytes.
#
#   training/train.sh                 everything (needs `npm run build` before)
#   training/train.sh FOLDER [...]    only train, on a folder that `fraudstream export-features` wrote; further
#                                     arguments go to the trainer (python -m fraudstream_training train --help)
#
# USERS, DAYS, SEED and OUT change the first form. The seed is not the demo's: it must not have seen its payments.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)

if [ $# -gt 0 ]; then
  case "$1" in -*) echo "training/train.sh: the first argument is the folder of exported features" >&2; exit 2 ;; esac
  features=$(cd "$1" && pwd)
  shift
  cd "$root/training"
  . ./venv.sh
  exec "$PYTHON" -m fraudstream_training train --features "$features" --out "${OUT:-$root/models/default}" "$@"
fi

USERS=${USERS:-8000}
DAYS=${DAYS:-45}
SEED=${SEED:-20260}
fraudstream="$root/dist/main.js"
if [ ! -f "$fraudstream" ]; then
  echo "training/train.sh: $fraudstream is missing: run \`npm run build\` first" >&2
  exit 2
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The simulator knows every fraud at once, so a payment without a label is genuine from the first day. The first days
# stay in: a deployment begins without histories, too.
simulate="simulate --seed $SEED --users $USERS --days $DAYS --labels all"
# Unquoted on purpose: the words of the command are also what the manifest says about its data.
node "$fraudstream" $simulate --out "$work/sim"
node "$fraudstream" export-features --in "$work/sim/transactions.avro" --labels "$work/sim/labels.avro" --out "$work/features"
cd "$root/training"
. ./venv.sh
"$PYTHON" -m fraudstream_training train --features "$work/features" --out "${OUT:-$root/models/default}" \
  --description "fraudstream $simulate" --unlabelled-genuine-after-days 0 --warmup-days 0
