import { tf } from '../engine/operations.ts';
import { awdLstm, disposeState, zeroState, type EncoderState, type Parameters } from '../model/awdLstm.ts';
import { head } from '../model/head.ts';
import { answersOf, type Answering } from '../model/objective.ts';
import { LOWEST } from '../model/pooling.ts';
import type { Sizes } from '../model/presets.ts';

/**
 * A classifier's answer to every beginning of a document, in one pass over it: last output, maximum and mean of concat pooling
 * (Howard & Ruder 2018, section 3.3) are running values, and the head reads them after each token. A chunk's tensors are freed before
 * the next, so memory on the device does not grow with the document.
 *
 * @param ids of the document, in the order in which the model reads them
 * @returns one array a token: what the classifier answers to the document that ends with it
 * @example prefixAnswers(sizes, parameters, ids, 70, { task: 'singleLabel' }).at(-1); // the answer to the whole document
 */
export function prefixAnswers(
  sizes: Sizes,
  parameters: Parameters,
  ids: Int32Array,
  chunkLength: number,
  answering: Answering,
): Float32Array[] {
  const pooling = new RunningPooling(sizes.embedding);
  const answers: Float32Array[] = [];
  let state = zeroState(sizes, 1);
  for (let start = 0; start < ids.length; start += chunkLength) {
    const chunk = ids.subarray(start, start + chunkLength);
    const before: EncoderState = state;
    const outputs = tf.tidy(() => {
      const encoded = awdLstm(parameters, tf.tensor2d(chunk, [chunk.length, 1], 'int32'), before);
      state = encoded.state;
      return encoded.raw;
    });
    disposeState(before);
    const pooled = pooling.add(outputs.dataSync<'float32'>());
    outputs.dispose();
    const ofChunk = tf.tidy(() => answersOf(answering, head(parameters, tf.tensor2d(pooled, [chunk.length, 3 * sizes.embedding])).logits));
    const values = ofChunk.dataSync<'float32'>();
    const width = values.length / chunk.length;
    for (let token = 0; token < chunk.length; token++) answers.push(values.slice(token * width, (token + 1) * width));
    ofChunk.dispose();
  }
  disposeState(state);
  return answers;
}

/** Concat pooling of every beginning of a sequence. */
class RunningPooling {
  readonly #width: number;
  readonly #maximum: Float32Array;
  /** In double precision: what is summed up over a long document is rounded once. */
  readonly #sum: Float64Array;
  #count = 0;

  constructor(width: number) {
    this.#width = width;
    this.#maximum = new Float32Array(width).fill(LOWEST);
    this.#sum = new Float64Array(width);
  }

  /**
   * Goes on with more of the sequence.
   *
   * @param outputs `[time, width]`
   * @returns `[time, 3 * width]`: last, maximum and mean up to each step
   */
  add(outputs: Float32Array): Float32Array {
    const width = this.#width;
    const time = outputs.length / width;
    const pooled = new Float32Array(3 * outputs.length);
    for (let step = 0; step < time; step++) {
      this.#count++;
      for (let unit = 0; unit < width; unit++) {
        const output = outputs[step * width + unit] ?? 0;
        const maximum = Math.max(this.#maximum[unit] ?? 0, output);
        const sum = (this.#sum[unit] ?? 0) + output;
        this.#maximum[unit] = maximum;
        this.#sum[unit] = sum;
        const at = 3 * width * step + unit;
        pooled[at] = output;
        pooled[at + width] = maximum;
        pooled[at + 2 * width] = sum / this.#count;
      }
    }
    return pooled;
  }
}
