/**
 * What a run does unless told otherwise. Sources: P = Howard & Ruder 2018 (arXiv 1801.06146v5); M = Merity et al. 2017
 * (arXiv 1708.02182); F = fastai 2 (text/models/awdlstm.py, text/learner.py, its text tutorial); S = the authors' scripts
 * (fastai, courses/dl2/imdb_scripts). Adam's betas and the layers' dropouts stand with their code.
 */

import type { AdamOptions } from '../optim/adam.ts';
import { cycledMomentum, type Schedule, type ScheduleName } from '../optim/schedules.ts';

/** Whose numbers: the paper's, or those of fastai 2's text tutorial. */
export const RECIPES = ['paper', 'fastai'] as const;
export type RecipeName = (typeof RECIPES)[number];

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
  /** Gradual unfreezing takes 4 epochs to reach all 5 layer groups; then 2 with all, as in F's tutorial. More where documents are few. */
  epochs: 6,
  /** An epoch of 500 documents is 8 steps, and 6 of them are too few: 15 bring 4 points more on TREC (docs/experiments.md). */
  fewestSteps: 120,
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

/** What changes in step 1 with `--optimizer nt-asgd` (M section 5: rate 30, decay 1.2e-6; the rate stays until averaging brings it down). */
export const NT_ASGD = { learningRate: 30, schedule: 'constant', weightDecay: 1.2e-6 } as const;

/** The numbers of step 2 by recipe. F's tutorial: one cycle, the last group alone at ten times the rate of all, decay .1. */
export const FINE_TUNING_OF = {
  paper: { ...FINE_TUNING, unfreezing: 'last-then-all', discriminative: true },
  fastai: { ...FINE_TUNING, learningRate: 0.001, schedule: 'one-cycle', unfreezing: 'staged', discriminative: false, weightDecay: 0.1 },
} as const;

/** The numbers of step 3 by recipe. F's tutorial: one cycle a stage, five epochs, .02 to .001. */
export const CLASSIFIER_TRAINING_OF = {
  paper: CLASSIFIER_TRAINING,
  fastai: { ...CLASSIFIER_TRAINING, epochs: 5, fewestSteps: 0, learningRate: 0.02, schedule: 'one-cycle', unfreezing: 'staged', bptt: 72 },
} as const;

const FASTAI_ADAM: Partial<AdamOptions> = { beta1: 0.8, beta2: 0.99, epsilon: 1e-5 };

/** Adam's numbers; the paper's are its defaults. F `Adam`: epsilon 1e-5; `TextLearner`: momentum .8, squares .99. */
export function adamOf(recipe: RecipeName = 'paper'): Partial<AdamOptions> {
  return recipe === 'paper' ? {} : FASTAI_ADAM;
}

/** How Adam's beta1 moves: in F with the one-cycle schedule, and never in P. */
export function beta1Of(recipe: RecipeName = 'paper', schedule: ScheduleName): Schedule | undefined {
  return recipe === 'fastai' && schedule === 'one-cycle' ? cycledMomentum() : undefined;
}
