#!/bin/sh
# Measures the baselines on a set that benchmark/results/prepare.ts made ready; what is measured already is not measured again.
#
# Usage: benchmark/baselines/run.sh runs/results/trec [PYTHON] [METHOD…]
# PYTHON is one with the packages of requirements.txt; default: python3.
set -eu
set_folder=$1
python=${2:-python3}
shift $(($# > 1 ? 2 : 1))
here=$(dirname "$0")
name=$(basename "$set_folder")
methods=${*:+--methods $*}
measure() { # $methods is a list of words
  # shellcheck disable=SC2086
  "$python" "$here/baselines.py" --train "$@" --test "$set_folder/test.jsonl" --set "$name" --out "$set_folder/baselines.jsonl" $methods
}

echo "$name, all labels"
measure "$set_folder/labelled.jsonl"
for first in "$set_folder"/labels-*-1.jsonl; do
  [ -f "$first" ] || continue # none were drawn
  echo "$name, $(basename "$first" -1.jsonl)"
  measure "${first%-1.jsonl}"-*.jsonl
done
