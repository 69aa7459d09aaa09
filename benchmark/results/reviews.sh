#!/bin/sh
# Makes models/reviews-small and models/sentiment-small: fine-tunes wiki-small on film reviews, trains a classifier on the labelled ones, makes its
# probabilities mean what they say, measures it on reviews that were held out, and exports it in 8 bits. Stopped at any point, it goes on where it was
# when run again.
#
# Usage: benchmark/results/reviews.sh TRAIN UNLABELLED MODELS
# TRAIN and UNLABELLED are reviews as JSON Lines (also .gz, .br, .zst), with the columns text and, of TRAIN, label: neg and pos, or 0 and 1.
# MODELS is the folder in which to write the two. What it costs stands in docs/training.md. Settings by environment variables:
#   FROM              language model to start from                  (wiki-small)
#   WORK              folder for everything on the way              (runs/reviews)
#   LM_EPOCHS         passes of step 2 over all reviews             (1)
#   EPOCHS            passes of step 3; 5 reach every layer group   (6)
#   DOCUMENTS         texts that trainer and bundle are compared on, of which
#                     some are kept in the bundle               (those held out)
#   PRECISION         bf16 where the processor multiplies it, or fp32
set -eu
train=$1
unlabelled=$2
models=$3
work=${WORK:-runs/reviews}
ULMFIT_PRECISION=${PRECISION:-fp32}
export ULMFIT_PRECISION
root=$(cd "$(dirname "$0")/../.." && pwd)
PATH=$root/node_modules/.bin:$PATH # the Node that runs TypeScript

data=$work/data
if [ ! -f "$data/parts.json" ]; then
  mkdir -p "$work"
  # Labels as people read them.
  node "$root"/benchmark/results/reviews.ts "$train" > "$work/labelled.jsonl"
  node "$root"/benchmark/results/reviews.ts "$unlabelled" > "$work/unlabelled.jsonl"
  node "$root"/benchmark/results/prepare.ts "$work/labelled.jsonl" --unlabelled "$work/unlabelled.jsonl" --out "$data"
fi

# Step 2. In one pass over so much text a small model learns nothing by heart, so there is little dropout; and it has to change a lot, in all layers.
[ -f "$work/language-model/model.json" ] ||
  node "$root"/trainer/bin.mjs finetune "$data/text.jsonl" --from "${FROM:-wiki-small}" --out "$work/language-model" --resume \
    --epochs "${LM_EPOCHS:-1}" --max-vocab 20000 --batch 64 --no-discriminative --learning-rate 0.008 --drop-mult 0.1 --half --seed 1
node "$root"/trainer/bin.mjs evaluate "$work/language-model" "$data/test.jsonl" --json | tee "$work/perplexity.json"

# Step 3.
[ -f "$work/classifier/model.json" ] ||
  node "$root"/trainer/bin.mjs train "$data/train.jsonl" --valid "$data/valid.jsonl" --from "$work/language-model" --out "$work/classifier" --resume \
    --epochs "${EPOCHS:-6}" --batch 32 --bptt-window 420 --drop-mult 0.3 --half --seed 1
node "$root"/trainer/bin.mjs calibrate "$work/classifier" "$data/valid.jsonl"
node "$root"/trainer/bin.mjs evaluate "$work/classifier" "$data/test.jsonl" --json | tee "$work/accuracy.json"

mkdir -p "$models/reviews-small" "$models/sentiment-small"
for file in model.json model.safetensors vocabulary.json README.md; do
  cp "$work/language-model/$file" "$models/reviews-small/$file"
  cp "$work/classifier/$file" "$models/sentiment-small/$file"
done
node "$root"/trainer/bin.mjs export "$work/classifier" --int8 --name sentiment-small --documents "${DOCUMENTS:-$data/test.jsonl}" \
  --out "$models/sentiment-small/bundle"
echo "Written to $models. The model cards in it want a word on corpus and licence."
