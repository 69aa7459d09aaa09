#!/bin/sh
# Pretrains a language model on the articles of Wikipedia, forward and backward, and measures it. Stopped at any point, it goes on where it was when run
# again. Give it the machine alone.
#
# Usage: benchmark/results/wiki.sh PRESET TRAIN VALID OUT
# PRESET is small or base; TRAIN a folder of articles, VALID articles that are not in it (plain text, also .br, .gz, .zst); OUT the folder of the pair.
# What it costs stands in docs/training.md. Settings by environment variables:
#   DIRECTION  forward, backward or both               (both)
#   EPOCHS     passes over the articles                (1)
#   BATCH      streams of text side by side            (64)
#   PRECISION  bf16 where the processor multiplies it, or fp32
#   DEVICE     cpu, gpu, or auto                       (auto)
set -eu
preset=$1
train=$2
valid=$3
out=$4
ULMFIT_PRECISION=${PRECISION:-fp32}
ULMFIT_DEVICE=${DEVICE:-auto}
export ULMFIT_PRECISION ULMFIT_DEVICE
root=$(cd "$(dirname "$0")/../.." && pwd)
PATH=$root/node_modules/.bin:$PATH # the Node that runs TypeScript

[ -f "$out/model.json" ] || [ -f "$out/backward/model.json" ] ||
  node "$root"/trainer/bin.mjs pretrain "$train" --valid "$valid" --out "$out" --resume --direction "${DIRECTION:-both}" --preset "$preset" \
    --epochs "${EPOCHS:-1}" --batch "${BATCH:-64}" --learning-rate 0.003 --schedule trapezoidal --drop-mult 0.1 --half --seed 1 \
    --data-licence "CC BY-SA 3.0 (English Wikipedia, about May 2015)"

node "$root"/trainer/bin.mjs evaluate "$out" "$valid"
