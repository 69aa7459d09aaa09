/**
 * What a run does unless told otherwise. Sources: P = Howard & Ruder 2018 (arXiv 1801.06146v5); M = Merity et al. 2017
 * (arXiv 1708.02182); F = fastai 2 (text/models/awdlstm.py, text/learner.py, its text tutorial); S = the authors' scripts
 * (fastai, courses/dl2/imdb_scripts). Adam's betas and the layers' dropouts stand with their code.
 */

/** Seed of every random draw where none is given. */
export const DEFAULT_SEED = 42;

/** Minutes between two checkpoints. */
export const CHECKPOINT_MINUTES = 10;

/** Step 1, pretraining on general text (P section 3.1). */
export const PRETRAINING = {
  /** P 4.1: 400 / 1150 / 3. */
  preset: 'base',
  /** Words seen fewer times are unknown: F `min_freq` 3. */
  minCount: 3,
  /** Parallel streams: P 4.1, 64. */
  batch: 64,
  /** Tokens of a window, on average: P 4.1, 70. */
  bptt: 70,
  /** S pretrain_lm.py: 10. */
  epochs: 10,
  /** S pretrain_lm.py: 5e-3. */
  learningRate: 0.005,
  /** S pretrain_lm.py: one cycle. P uses slanted triangles for fine-tuning only. */
  schedule: 'one-cycle',
  /** S pretrain_lm.py: .1, for about 100 million tokens; smaller corpora need more. */
  dropMult: 0.1,
  /** Decoupled (AdamW): F `wd` .01. */
  weightDecay: 0.01,
  /** Largest norm of the gradients: M, .25. */
  clip: 0.25,
} as const;

/** Step 2, fine-tuning the language model on the target text (P section 3.2). */
export const FINE_TUNING = {
  /** F's tutorial: 1 with the last layer group alone, then 10 with all. S finetune_lm.py: 25. */
  epochs: 11,
  batch: 64,
  bptt: 70,
  /** P 4.1, S finetune_lm.py: 4e-3. */
  learningRate: 0.004,
  /** P equation 3; S `use_clr=(32, 10)` is the same. */
  schedule: 'slanted-triangular',
  /** S finetune_lm.py: 1. */
  dropMult: 1,
  /** F `max_vocab` 60,000; the same in S. */
  maxVocab: 60_000,
  minCount: 3,
  weightDecay: 0.01,
  /** M: .25; S finetune_lm.py: .3. */
  clip: 0.25,
} as const;

/** Step 3, the classifier (P section 3.3). */
export const CLASSIFIER_TRAINING = {
  /** Gradual unfreezing takes 4 epochs to reach all 5 layer groups; then 2 with all, as in F's tutorial. */
  epochs: 6,
  /** P 4.1: 64. */
  batch: 64,
  /** Tokens of a chunk (P's BPT3C). */
  bptt: 70,
  /** Tokens at a document's end that send gradients: F `max_len`, 72 × 20. */
  bpttWindow: 1440,
  /** P 4.1, S train_clas.py: .01. */
  learningRate: 0.01,
  schedule: 'slanted-triangular',
  unfreezing: 'gradual',
  /** F `drop_mult` .5; S train_clas.py: 1. */
  dropMult: 0.5,
  /** Share of the documents held out where no validation data is given. S train_clas.py: .1. */
  validFraction: 0.1,
  weightDecay: 0.01,
  /** S train_clas.py: 25. */
  clip: 25,
} as const;
