/** Adam, or stochastic gradient descent whose values are averaged from some step on (Merity et al. 2017, algorithm 1). */
export const OPTIMIZERS = ['adam', 'nt-asgd'] as const;
export type OptimizerName = (typeof OPTIMIZERS)[number];
