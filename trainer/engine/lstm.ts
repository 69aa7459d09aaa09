import { currentDevice } from './device.ts';
import { cudnnLstm } from './lstmCudnn.ts';
import { fusedLstm } from './lstmFused.ts';
import { plainLstm } from './lstmPlain.ts';
import { hasFusedOps, type Tensor } from './operations.ts';

/** What an LSTM layer remembers: `hidden` and `cell`, each `[batch, hidden]`. */
export interface LstmState {
  readonly hidden: Tensor;
  readonly cell: Tensor;
}

/** One layer's weights, gates in the order input, candidate, forget, output. */
export interface LstmWeights {
  /** `[in, 4 * hidden]` */
  readonly input: Tensor;
  /** `[hidden, 4 * hidden]`, already multiplied by the weight-drop mask where there is one. */
  readonly recurrent: Tensor;
  /** `[4 * hidden]` */
  readonly bias: Tensor;
}

/** One of the ways to compute a layer: they agree within rounding. */
export type Lstm = typeof lstm;

/**
 * One LSTM layer over a chunk of text, by the fastest way that this machine has.
 * The state that comes in is a constant: truncated back-propagation through time cuts the graph there (Merity et al. 2017, section 4).
 *
 * @param x `[time, batch, in]`
 * @returns `outputs` `[time, batch, hidden]`, differentiable; `state` after the last step, kept: the caller disposes of it
 */
export function lstm(x: Tensor, weights: LstmWeights, state: LstmState): { outputs: Tensor; state: LstmState } {
  const layer = currentDevice().kind === 'gpu' ? cudnnLstm : hasFusedOps ? fusedLstm : plainLstm;
  return layer(x, weights, state);
}
