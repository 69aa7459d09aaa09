/** What an experiment does unless told otherwise. */
export const EXPERIMENT = {
  seeds: [1, 2, 3],
  /** Share of the data that the classifiers are judged on. */
  testFraction: 0.2,
  /** Share of what is left that tells when to stop: "we split off 10 % of the training set" (Howard & Ruder 2018, section 5). */
  validFraction: 0.1,
  /** Gradual unfreezing takes 4 to reach all layers. The paper trains for 50, which is a matter of patience. */
  epochs: 15,
  earlyStopping: 5,
} as const;

/**
 * Classifiers from scratch, so that they do as well as they can. Rate: measured on TREC, where the .01 of fine-tuning fails from few labels and the
 * .001 of the paper's section 5 is slower than the epochs allow (docs/results.md). Words that were seen at least twice are known: of few documents,
 * few words are left at three times.
 */
export const FROM_SCRATCH = { learningRate: 0.003, minCount: 2 } as const;
